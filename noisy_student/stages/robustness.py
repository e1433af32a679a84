"""`--mode=robustness`: models on disturbed, other and adversarial images."""

import dataclasses
import json
import pathlib
from typing import Any

from noisy_student import models
from noisy_student.config import ExperimentConfig
from noisy_student.data import decoding
from noisy_student.files import stamps, writing
from noisy_student.report import robustness as report
from noisy_student.stages import subjects
from noisy_student.stages.experiment import Experiment, Stage
from noisy_student.stages.subjects import Subject
from noisy_student.stages.suites import SUITES, Suite

# Settings that each suite's results depend on are all of `robustness` but
# these, which only say what is measured and what it is compared with.
_FREE = ("suites", "baseline_model_path")


class Robustness(Stage):
    """Measures every model with every suite.

    What a suite measured of a model is kept in `MODEL/SUITE.json` and is not
    measured again.
    """

    def validate(self) -> None:
        config = self.config
        self.output_dir = _output_dir(config)
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
            with devices.strategy.scope():
                loaded = [subject.load() for subject in self._all()]
            # Digests read whole files.
            self._made_from = {
                subject.name: self._provenance(subject)
                for subject in self._all()
            }
            for suite in self.suites:
                suite.validate(loaded)
            self._check_kept()

    def _all(self) -> list[Subject]:
        return self.subjects + ([self.baseline] if self.baseline else [])

    def _check_kept(self) -> None:
        """Refuses a directory with results of other models or settings."""
        for subject in self._all():
            for suite in self.suites:
                path = self._path(subject, suite)
                if path.exists():
                    stamps.check_same(
                        writing.read_json(path)["made_from"],
                        self._made_from[subject.name],
                        f"{path} was measured otherwise: {{changes}}. Name "
                        "another output_dir.",
                    )

    def _path(self, subject: Subject, suite: Suite) -> pathlib.Path:
        return self.output_dir / subject.name / f"{suite.name}.json"

    def _provenance(self, subject: Subject) -> dict[str, Any]:
        settings = dataclasses.asdict(self.config.robustness)
        return {
            "model": subject.digest(),
            "images": self.experiment.data.identity,
            "seed": self.config.seed,
            "settings": {
                name: value
                for name, value in settings.items()
                if name not in _FREE
            },
        }

    def run(self) -> None:
        devices = self.experiment.devices
        results: report.SuiteResults = {}
        with (
            devices.watching_workers(),
            devices.strategy.scope(),
            decoding.input_errors(self.experiment.data.test.record_paths),
        ):
            for subject in self._all():
                results[subject.name] = {
                    suite.name: self._measure(subject, suite)
                    for suite in self.suites
                }
        if devices.is_chief:
            self._report(results)

    def _measure(self, subject: Subject, suite: Suite) -> dict[str, Any]:
        """Measures, or takes what was measured before."""
        path = self._path(subject, suite)
        if self.experiment.devices.agree(path.exists()):
            return writing.read_json(path)["results"]
        found = suite.measure(subject.load(), f"{subject.name} {suite.name}")
        if self.experiment.devices.is_chief:
            made_from = self._made_from[subject.name]
            writing.write_json(path, {"made_from": made_from, "results": found})
        self.experiment.devices.wait_for_all()
        return found

    def _report(self, results: report.SuiteResults) -> None:
        unit = results.pop(self.baseline.name) if self.baseline else {}
        scores = {
            model: {
                suite.name: suite.summary(
                    of_model[suite.name], unit.get(suite.name)
                )
                for suite in self.suites
            }
            for model, of_model in results.items()
        }
        report.save_robustness(
            self.output_dir,
            results,
            scores,
            self._made_from,
        )
        print(report.format_robustness(scores))
        newest = scores[self.subjects[-1].name]
        print(
            json.dumps(
                {k: x for found in newest.values() for k, x in found.items()}
            )
        )


def _baseline(experiment: Experiment) -> Subject | None:
    """The model whose errors are the unit."""
    path = experiment.config.robustness.baseline_model_path
    if path is None:
        return None
    with experiment.devices.strategy.scope():
        return subjects.of_file(
            experiment, models.resolve_model_path(path), "baseline"
        )


def _output_dir(config: ExperimentConfig) -> pathlib.Path:
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
