"""`--mode=eval`: scores of models on test and validation images."""

import json
from collections.abc import Mapping

import keras
from absl import logging

from noisy_student.data import decoding, sources
from noisy_student.evaluation import Answers, scores
from noisy_student.report import evaluation as report
from noisy_student.stages import subjects
from noisy_student.stages.experiment import Stage

_TEST, _VALIDATION = "test", "validation"


class Evaluate(Stage):
    """Evaluates a model, all generations of a run, or its newest checkpoint.

    Every image counts once, whatever the devices. `metrics` are the newest
    model's scores by name, once it has run.
    """

    def validate(self) -> None:
        config = self.config
        self.output_dir = subjects.output_dir(config, "evaluation")
        devices = subjects.open_devices(config)
        with devices.watching_workers():
            experiment = subjects.open_images(config, devices)
            self.experiment = experiment
            self.images = {_TEST: experiment.data.test}
            if experiment.validation is not None:
                self.images[_VALIDATION] = experiment.validation
            self.subjects = subjects.find(experiment)
            with devices.strategy.scope():
                subjects.with_views(experiment, self.subjects[0].load())

    def run(self) -> None:
        devices = self.experiment.devices
        answers: dict[str, dict[str, Answers]] = {}
        with (
            devices.watching_workers(),
            devices.strategy.scope(),
            decoding.input_errors(_record_paths(self.images)),
        ):
            for subject in self.subjects:
                model = subjects.with_views(self.experiment, subject.load())
                answers[subject.name] = self._answers(model, subject.name)
        if devices.is_chief:
            self._report(answers)

    def _answers(self, model: keras.Model, name: str) -> dict[str, Answers]:
        """What a model answers on the images of each split."""
        side = model.input_shape[1]
        of = f" {name}" if len(self.subjects) > 1 else ""
        return {
            split: self.experiment.answers_on(
                source, side, f"evaluate{of} {split}"
            ).answers(model)
            for split, source in self.images.items()
        }

    def _report(self, answers: dict[str, dict[str, Answers]]) -> None:
        """Writes the tables, and prints the scores of the newest model."""
        if self.output_dir is not None:
            report.save_evaluation(
                self.output_dir,
                answers,
                self.experiment.data.class_names,
                self.experiment.data.task.num_classes,
            )
        else:
            logging.warning("No tables are written: set output_dir for them.")
        if len(answers) > 1:
            print(report.format_generations(answers))
        newest = self.subjects[-1]
        self.metrics = {
            f"{'' if split == _TEST else f'{split}_'}{name}": value
            for split, found in answers[newest.name].items()
            for name, value in _metrics(found).items()
        }
        print(json.dumps({**self.metrics, **newest.facts}))


def _metrics(answers: Answers) -> dict[str, float]:
    return {**scores.summary(answers), "num_images": len(answers.labels)}


def _record_paths(
    images: Mapping[str, sources.ImageSource],
) -> tuple[str, ...]:
    return tuple(
        path for source in images.values() for path in source.record_paths
    )
