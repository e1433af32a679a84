"""`--mode=eval`: the accuracy of a model on the test images."""

import json

from noisy_student import models
from noisy_student.data import decoding
from noisy_student.files import run_directory
from noisy_student.stages.experiment import Experiment, Stage, resolve_model
from noisy_student.training import distribution


class Evaluate(Stage):
    """Evaluates a model file."""

    def validate(self) -> None:
        config = self.config
        self.path = resolve_model(config)
        devices = distribution.make_devices(config.run)
        self.experiment = Experiment.open(config, devices)
        if config.predict.predict_ckpt_path is None:
            run_directory.check_images(config.directory, config)
        distribution.check_batch_size(
            "eval_batch_size",
            config.run.eval_batch_size,
            devices.strategy.num_replicas_in_sync,
        )

    def run(self) -> None:
        data, devices = self.experiment.data, self.experiment.devices
        with (
            devices.watching_workers(),
            devices.strategy.scope(),
            decoding.input_errors(data.test.record_paths),
        ):
            side = self.config.data.input_image_size
            model = models.load_model(self.path, side)
            metrics = self.experiment.accuracy(model.input_shape[1])(model)
        if devices.is_chief:
            print(json.dumps(metrics))
