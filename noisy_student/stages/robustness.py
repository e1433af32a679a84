"""`--mode=robustness`: models on disturbed, other and adversarial images."""

import json
from typing import Any

import keras
from etils import epath

from noisy_student import models
from noisy_student.config import ExperimentConfig
from noisy_student.data import decoding
from noisy_student.files import stamps, writing
from noisy_student.report import robustness as report
from noisy_student.report.versions import versions
from noisy_student.stages import subjects
from noisy_student.stages.experiment import Experiment, Stage
from noisy_student.stages.subjects import Subject
from noisy_student.stages.suites import SUITES, Suite

_ALEXNET = "AlexNet"


class Robustness(Stage):
    """Measures every model with every suite.

    What a suite measured of a model is kept in `MODEL/SUITE.json` and is not
    measured again. The report has all that is kept of the same models on the
    same images.
    """

    def validate(self) -> None:
        config = self.config
        self.output_dir = _output_dir(config)
        if config.evaluation.num_test_time_augmentations > 1:
            raise ValueError(
                "num_test_time_augmentations is for mode=eval; robustness is "
                "that of the model alone."
            )
        devices = subjects.open_devices(config)
        with devices.watching_workers():
            experiment = subjects.open_images(config, devices)
            self.experiment = experiment
            self.subjects = subjects.find(experiment)
            self.baseline = _baseline(experiment)
            self.suites = [
                SUITES[name](experiment, config.robustness)
                for name in dict.fromkeys(config.robustness.suites)
            ]
            for suite in self.suites:
                suite.validate()
            # Models are loaded one at a time: they may be large.
            self._made_from = {
                subject.name: self._check_model(subject)
                for subject in self._all()
            }
            self._check_kept()

    def _all(self) -> list[Subject]:
        return self.subjects + ([self.baseline] if self.baseline else [])

    def _check_model(self, subject: Subject) -> dict[str, Any]:
        """Checks that a model can be measured; tells it from all others."""
        with self.experiment.devices.strategy.scope():
            model = subject.load()
            for suite in self.suites:
                suite.check_model(model)
        evaluation = self.config.evaluation
        data = self.config.data
        return {
            "model": subject.digest(),  # reads whole files
            "input_side": model.input_shape[1],
            "model_input_range": evaluation.model_input_range,
            "model_output": evaluation.model_output,
            "images": {
                **self.experiment.data.identity,
                "num_test_images": data.num_test_images,
                "num_eval_images": data.num_eval_images,
            },
            "seed": self.config.seed,
        }

    def _stamp(self, subject: Subject, suite: Suite) -> dict[str, Any]:
        """All that a suite's results of a model depend on."""
        settings = self.config.robustness
        return {
            **self._made_from[subject.name],
            "settings": {n: getattr(settings, n) for n in suite.depends_on},
            "measured": suite.images(),
        }

    def _check_kept(self) -> None:
        """Refuses a directory with results of other models or settings."""
        for subject in self._all():
            for suite in self.suites:
                path = self._path(subject, suite.name)
                if path.exists():
                    stamps.check_same(
                        writing.read_json(path)["made_from"],
                        self._stamp(subject, suite),
                        f"{path} was measured otherwise: {{changes}}. Name "
                        "another output_dir.",
                    )

    def _path(self, subject: Subject, suite: str) -> epath.Path:
        return self.output_dir / subject.name / f"{suite}.json"

    def run(self) -> None:
        devices = self.experiment.devices
        with (
            devices.watching_workers(),
            devices.strategy.scope(),
            decoding.input_errors(self.experiment.data.test.record_paths),
        ):
            for subject in self._all():
                missing = [
                    suite
                    for suite in self.suites
                    if not devices.agree(
                        self._path(subject, suite.name).exists()
                    )
                ]
                model = subject.load() if missing else None
                for suite in missing:
                    self._measure(subject, model, suite)
        if devices.is_chief:
            self._report()

    def _measure(
        self, subject: Subject, model: keras.Model, suite: Suite
    ) -> None:
        found = suite.measure(model, f"{subject.name} {suite.name}")
        if self.experiment.devices.is_chief:
            kept = {
                "made_from": self._stamp(subject, suite),
                "versions": versions(),
                "results": found,
            }
            writing.write_json(self._path(subject, suite.name), kept)
        self.experiment.devices.wait_for_all()

    def _kept(self, subject: Subject) -> dict[str, Any]:
        """What is kept of a model, by suite: of this and of earlier calls."""
        own = self._made_from[subject.name]
        found = {}
        for name in SUITES:
            path = self._path(subject, name)
            kept = writing.read_json(path) if path.exists() else None
            if kept and not stamps.differences(
                own, {key: kept["made_from"].get(key) for key in own}
            ):
                found[name] = kept
        return found

    def _report(self) -> None:
        baseline = self._kept(self.baseline) if self.baseline else {}
        summaries, results = {}, {}
        for subject in self.subjects:
            kept = self._kept(subject)
            results[subject.name] = {n: x["results"] for n, x in kept.items()}
            summaries[subject.name] = self._summary(kept, baseline)
        report.save_robustness(self.output_dir, results, summaries)
        scores = {name: found["scores"] for name, found in summaries.items()}
        print(report.format_robustness(scores))
        newest = scores[self.subjects[-1].name]
        print(
            json.dumps(
                {k: x for found in newest.values() for k, x in found.items()}
            )
        )

    def _summary(
        self, kept: dict[str, Any], baseline: dict[str, Any]
    ) -> dict[str, Any]:
        """A model's scores by suite, and what they are made from."""
        scores, units = {}, {}
        for name, found in kept.items():
            suite = SUITES[name](self.experiment, self.config.robustness)
            unit = _unit(found, baseline.get(name))
            units[name] = baseline[name]["made_from"]["model"] if unit else None
            if unit is None:
                unit = suite.published_unit(found["results"])
                units[name] = _ALEXNET if unit else None
            scores[name] = suite.summary(found["results"], unit)
        return {
            "scores": scores,
            "units": units,
            **{
                key: {name: found[key] for name, found in kept.items()}
                for key in ("made_from", "versions")
            },
        }


def _unit(
    found: dict[str, Any], baseline: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The baseline's results, if they are of the same images."""
    if baseline is None:
        return None
    for key in ("images", "settings", "measured"):
        if found["made_from"][key] != baseline["made_from"][key]:
            return None
    return baseline["results"]


def _baseline(experiment: Experiment) -> Subject | None:
    """The model whose errors are the unit."""
    path = experiment.config.robustness.baseline_model_path
    if path is None:
        return None
    with experiment.devices.strategy.scope():
        return subjects.of_file(
            experiment, models.resolve_model_path(path), "baseline"
        )


def _output_dir(config: ExperimentConfig) -> epath.Path:
    """Where results go.

    Raises:
        ValueError: no flag says it.
    """
    found = subjects.output_dir(config, "robustness")
    if found is None:
        raise ValueError(
            "output_dir must be set, where the model is not that of model_dir."
        )
    return found
