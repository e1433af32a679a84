"""A small version of `--mode=robustness` for every generation of a run."""

import dataclasses

import keras

from noisy_student.config import RobustnessConfig
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites import SUITES, Suite

_MOST_IMAGES, _MOST_SEQUENCES, _MOST_FRAMES = 500, 100, 11
_SEVERITY, _EPSILON = 3, 4.0


def suites(experiment: Experiment) -> list[Suite]:
    """The suites, validated.

    Raises:
        ValueError: What one of them needs is not there.
    """
    made = [
        SUITES[name](experiment, settings)
        for name, settings in _settings(experiment).items()
    ]
    for suite in made:
        suite.validate()
    return made


def _settings(experiment: Experiment) -> dict[str, RobustnessConfig]:
    """The settings of each suite; the flags may ask for less, or for more."""
    settings = experiment.config.robustness
    small = dataclasses.replace(
        settings,
        severities=(_SEVERITY,),
        num_frames=min(_MOST_FRAMES, settings.num_frames),
        epsilons=(_EPSILON,),
    )
    most = {
        "corruptions": _MOST_IMAGES,
        "perturbations": _MOST_SEQUENCES,
        "adversarial": _MOST_IMAGES,
    }
    return {
        name: dataclasses.replace(
            small,
            num_robustness_images=settings.num_robustness_images
            or min(number, experiment.data.test.num_images),
        )
        for name, number in most.items()
    }


def scores(experiment: Experiment, model: keras.Model) -> dict[str, float]:
    """Measures a model, in the strategy's scope; all workers do it alike.

    Returns:
        `corrupted_accuracy`, the mean over the types of corruption,
        `mean_flip_probability`, that over the types of perturbation, and for
        each of `attacks` `fgsm_4_accuracy` or `pgd_4_accuracy`; in [0, 1].
    """
    found: dict[str, float] = {}
    for suite in suites(experiment):
        results = suite.measure(model, suite.name)
        found |= suite.summary(results, None)
    attacked = (f"{name}_{_EPSILON:g}_accuracy" for name in ("fgsm", "pgd"))
    return {
        "corrupted_accuracy": 1 - found["corrupted_error"],
        "mean_flip_probability": found["mean_flip_probability"],
        **{name: found[name] for name in attacked if name in found},
    }
