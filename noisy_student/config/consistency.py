"""Settings of the methods that want predictions to agree."""

import dataclasses

from noisy_student.config.settings import Settings, setting

ENSEMBLE_DTYPES = ("float32", "float16")


@dataclasses.dataclass(frozen=True)
class ConsistencyConfig(Settings):
    """The consistency loss, and the targets that two of its methods keep."""

    max_consistency_weight: float = setting(None, at_least=0)
    """Weight of the consistency loss after the ramp-up, before the factor
    labelled / all images; 0 leaves the loss out. Default: the method's (100
    for pi_model and mean_teacher, 30 for temporal_ensembling)."""

    ensemble_decay: float = setting(0.6, at_least=0, below=1)
    """Decay of the averaged predictions that are the targets of
    temporal_ensembling; greater ones remember more epochs."""

    ensemble_dtype: str = setting("float32", choices=ENSEMBLE_DTYPES)
    """Number format in which temporal_ensembling keeps its targets, one row
    per image."""

    force_ensemble: bool = setting(False)
    """Let temporal_ensembling keep its targets even if the machine seems to
    have too little memory for them."""

    teacher_decay: float = setting(0.999, at_least=0, below=1)
    """Decay of mean_teacher's averaged weights after the ramp-up."""

    teacher_decay_ramp_up: float = setting(0.99, at_least=0, below=1)
    """Decay of mean_teacher's averaged weights during the ramp-up."""
