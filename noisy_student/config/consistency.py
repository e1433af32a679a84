"""Settings of the methods that want predictions to agree."""

import dataclasses

from noisy_student.config.settings import Settings, setting

ENSEMBLE_DTYPES = ("float32", "float16")


@dataclasses.dataclass(frozen=True)
class ConsistencyConfig(Settings):
    """The consistency loss, and the targets that two of its methods keep."""

    max_consistency_weight: float = setting(
        None,
        "Weight of the consistency loss after the ramp-up, before the factor "
        "labelled / all images; 0 leaves the loss out. Default: the method's "
        "(100 for pi_model and mean_teacher, 30 for temporal_ensembling).",
        at_least=0,
    )
    ensemble_decay: float = setting(
        0.6,
        "Decay of the averaged predictions that are the targets of "
        "temporal_ensembling; greater ones remember more epochs.",
        at_least=0,
        below=1,
    )
    ensemble_dtype: str = setting(
        "float32",
        "Number format in which temporal_ensembling keeps its targets, one "
        "row per image.",
        choices=ENSEMBLE_DTYPES,
    )
    force_ensemble: bool = setting(
        False,
        "Let temporal_ensembling keep its targets even if the machine seems "
        "to have too little memory for them.",
    )
    teacher_decay: float = setting(
        0.999,
        "Decay of mean_teacher's averaged weights after the ramp-up.",
        at_least=0,
        below=1,
    )
    teacher_decay_ramp_up: float = setting(
        0.99,
        "Decay of mean_teacher's averaged weights during the ramp-up.",
        at_least=0,
        below=1,
    )
