"""`--mode=eval`: the accuracy of a model on test and validation images."""

import json
import pathlib

import keras

from noisy_student import models, training
from noisy_student.config import ExperimentConfig
from noisy_student.data import decoding
from noisy_student.evaluation import Metrics
from noisy_student.files import run_directory
from noisy_student.stages.experiment import (
    Experiment,
    Stage,
    named_model,
    resolve_model,
)
from noisy_student.training import distribution


class Evaluate(Stage):
    """Evaluates a model, or the newest checkpoint of an unfinished run."""

    def validate(self) -> None:
        config = self.config
        unfinished = _unfinished_run(config)
        path = None if unfinished else resolve_model(config)
        devices = distribution.make_devices(config.run)
        distribution.check_batch_size(
            "eval_batch_size",
            config.run.eval_batch_size,
            devices.strategy.num_replicas_in_sync,
        )
        with devices.watching_workers():
            self.experiment = Experiment.open(config, devices)
            if config.predict.predict_ckpt_path is None:
                run_directory.check_images(config.directory, config)
            self.validation = self.experiment.validation
            self.place: dict[str, int] = {}
            with devices.strategy.scope():
                if unfinished is not None:
                    self._load_checkpoint(unfinished)
                else:
                    self.model = self._load(str(path))

    def _load(self, path: str) -> keras.Model:
        side = self.config.data.input_image_size
        return models.load_pretrained(path, self.experiment.model, side)

    def _load_checkpoint(self, directory: pathlib.Path) -> None:
        """Loads the averaged weights of a run that has no model yet."""
        config, side = run_directory.read_model(directory)
        self.model = models.build_model(
            config.for_task(
                self.experiment.data.task,
                self.config.data.input_image_size or side,
            )
        )
        step = training.restore_average(directory, self.model)
        self.place = {"step": step}

    def run(self) -> None:
        experiment, devices = self.experiment, self.experiment.devices
        side = self.model.input_shape[1]
        paths = experiment.data.test.record_paths
        if self.validation is not None:
            paths += self.validation.record_paths
        with (
            devices.watching_workers(),
            devices.strategy.scope(),
            decoding.input_errors(paths),
        ):
            metrics: Metrics = experiment.accuracy(side)(self.model)
            if self.validation is not None:
                measured = experiment.validation_accuracy(side)(self.model)
                metrics |= {f"validation_{k}": x for k, x in measured.items()}
        if devices.is_chief:
            print(json.dumps(metrics | self.place))


def _unfinished_run(config: ExperimentConfig) -> pathlib.Path | None:
    """The run directory that is named, if it has checkpoints and no model."""
    directory = named_model(config)
    if training.is_finished(directory):
        return None
    return directory if training.has_checkpoints(directory) else None
