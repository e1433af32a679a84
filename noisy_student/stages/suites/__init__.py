"""The suites of `--mode=robustness`, one file each."""

from noisy_student.stages.suites.adversarial import Adversarial
from noisy_student.stages.suites.base import Suite
from noisy_student.stages.suites.corruptions import Corruptions
from noisy_student.stages.suites.natural import Natural
from noisy_student.stages.suites.perturbations import Perturbations

__all__ = ["SUITES", "Suite"]

SUITES: dict[str, type[Suite]] = {
    suite.name: suite
    for suite in (Corruptions, Perturbations, Natural, Adversarial)
}
