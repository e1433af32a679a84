"""Settings of the methods that want predictions to agree."""

import dataclasses
import math

from noisy_student.config.checks import (
    require,
    require_choice,
    require_fractions,
)

ENSEMBLE_DTYPES = ("float32", "float16")


@dataclasses.dataclass(frozen=True)
class ConsistencyConfig:
    """Pi-model, temporal ensembling and mean teacher; their papers' numbers.

    Attributes:
        max_consistency_weight: w_max of the consistency loss, before the
            factor labelled / all images; 0 leaves it out. None is the
            method's default; see `methods.with_defaults`.
        ensemble_decay: alpha of temporal ensembling's targets, in [0, 1);
            greater ones remember longer.
        ensemble_dtype: in which they are kept.
        force_ensemble: keep them although the machine lacks the memory.
        teacher_decay: alpha of mean teacher's average after the ramp-up, in
            [0, 1).
        teacher_decay_ramp_up: the same during the ramp-up.
    """

    max_consistency_weight: float | None = None
    ensemble_decay: float = 0.6
    ensemble_dtype: str = "float32"
    force_ensemble: bool = False
    teacher_decay: float = 0.999
    teacher_decay_ramp_up: float = 0.99

    def __post_init__(self) -> None:
        weight = self.max_consistency_weight
        require(
            weight is None or 0 <= weight < math.inf,
            "max_consistency_weight",
            "finite and at least 0",
            weight,
        )
        require_fractions(
            self, "ensemble_decay", "teacher_decay", "teacher_decay_ramp_up"
        )
        require_choice("ensemble_dtype", self.ensemble_dtype, ENSEMBLE_DTYPES)
