"""The outer loop."""

from absl import flags

from noisy_student import config

_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations", 3, "Students after the first teacher."
)
_STUDENT_MODEL_NAMES = flags.DEFINE_list(
    "student_model_names",
    None,
    "One model a student, equal or larger each time, or one for all, with its "
    "own width, depth and dropout; default: the first teacher's model with "
    "its overrides.",
)
_STUDENT_WIDTH_COEFFICIENTS = flags.DEFINE_list(
    "student_width_coefficients",
    None,
    "One --width_coefficient a student, or one for all.",
)
_STUDENT_DEPTH_COEFFICIENTS = flags.DEFINE_list(
    "student_depth_coefficients",
    None,
    "One --depth_coefficient a student, or one for all.",
)


def self_training_config() -> config.SelfTrainingConfig:
    """The group as a dataclass."""
    return config.SelfTrainingConfig(
        num_iterations=_NUM_ITERATIONS.value,
        student_model_names=tuple(_STUDENT_MODEL_NAMES.value or ()),
        student_width_coefficients=_floats(_STUDENT_WIDTH_COEFFICIENTS),
        student_depth_coefficients=_floats(_STUDENT_DEPTH_COEFFICIENTS),
    )


def _floats(flag: flags.FlagHolder) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in flag.value or ())
    except ValueError as error:
        raise ValueError(
            f"{flag.name} must be numbers divided by commas; got "
            f"{','.join(flag.value)!r}."
        ) from error
