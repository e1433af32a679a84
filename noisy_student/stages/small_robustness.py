"""A small version of `--mode=robustness` for every generation of a run."""

import dataclasses

import keras

from noisy_student.config import RobustnessConfig
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites import SUITES, Suite

_MOST_IMAGES = 500
_SEVERITY, _EPSILON = 3, 4.0


def suites(experiment: Experiment) -> list[Suite]:
    """The suites, validated.

    Raises:
        ValueError: What one of them needs is not there.
    """
    settings = experiment.config.robustness
    most = min(_MOST_IMAGES, experiment.data.test.num_images)
    small: RobustnessConfig = dataclasses.replace(
        settings,
        num_robustness_images=settings.num_robustness_images or most,
        severities=(_SEVERITY,),
        epsilons=(_EPSILON,),
    )
    made = [
        SUITES[name](experiment, small)
        for name in ("corruptions", "adversarial")
    ]
    for suite in made:
        suite.validate()
    return made


def scores(experiment: Experiment, model: keras.Model) -> dict[str, float]:
    """Measures a model, in the strategy's scope; all workers do it alike.

    Returns:
        `corrupted_accuracy`, the mean over the types of corruption, and
        `fgsm_4_accuracy` and `pgd_4_accuracy`, in [0, 1].
    """
    found: dict[str, float] = {}
    for suite in suites(experiment):
        results = suite.measure(model, suite.name)
        found |= suite.summary(results, None)
    attacked = (f"{name}_{_EPSILON:g}_accuracy" for name in ("fgsm", "pgd"))
    return {
        "corrupted_accuracy": 1 - found["corrupted_error"],
        **{name: found[name] for name in attacked if name in found},
    }
