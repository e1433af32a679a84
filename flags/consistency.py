"""Pi-model, temporal ensembling and mean teacher: weight and averages."""

from absl import flags

from noisy_student import config

_MAX_CONSISTENCY_WEIGHT = flags.DEFINE_float(
    "max_consistency_weight",
    None,
    "Greatest weight of the consistency loss, before the factor labelled / "
    "all images; default: 100, and 30 for temporal_ensembling.",
)
_ENSEMBLE_DECAY = flags.DEFINE_float(
    "ensemble_decay",
    0.6,
    "Of temporal ensembling's targets, in [0, 1): greater ones remember "
    "longer.",
)
_ENSEMBLE_DTYPE = flags.DEFINE_enum(
    "ensemble_dtype",
    "float32",
    config.ENSEMBLE_DTYPES,
    "In which temporal ensembling keeps its targets, a row for each image.",
)
_FORCE_ENSEMBLE = flags.DEFINE_bool(
    "force_ensemble",
    False,
    "Keep temporal ensembling's targets although the machine lacks the memory.",
)
_TEACHER_DECAY = flags.DEFINE_float(
    "teacher_decay",
    0.999,
    "Of mean teacher's averaged weights after the ramp-up, in [0, 1).",
)
_TEACHER_DECAY_RAMP_UP = flags.DEFINE_float(
    "teacher_decay_ramp_up", 0.99, "The same during the ramp-up."
)


def consistency_config() -> config.ConsistencyConfig:
    """The group as a dataclass; None where the method decides."""
    return config.ConsistencyConfig(
        max_consistency_weight=_MAX_CONSISTENCY_WEIGHT.value,
        ensemble_decay=_ENSEMBLE_DECAY.value,
        ensemble_dtype=_ENSEMBLE_DTYPE.value,
        force_ensemble=_FORCE_ENSEMBLE.value,
        teacher_decay=_TEACHER_DECAY.value,
        teacher_decay_ramp_up=_TEACHER_DECAY_RAMP_UP.value,
    )
