"""Prediction, filtering and balancing of pseudo labels."""

from absl import flags

from noisy_student import config

_NUM_IMAGE = flags.DEFINE_integer(
    "num_image", 1300, "Pseudo-labelled images of each class after balancing."
)
_MIN_THRESHOLD = flags.DEFINE_float(
    "min_threshold",
    0.0,
    "Least probability of a kept image, in [0, 1], rounded up to a hundredth.",
)
_MAX_PROB = flags.DEFINE_float(
    "max_prob",
    2.0,
    "Greatest probability of a kept image; above 1 by default, since rounding "
    "can exceed 1.",
)
_UPSAMPLE = flags.DEFINE_bool(
    "upsample", True, "Whether scarce classes are repeated up to --num_image."
)
_USE_ALL = flags.DEFINE_bool(
    "use_all",
    False,
    "Keep one copy of every image; neither filter nor balance.",
)
_USE_TOP = flags.DEFINE_bool(
    "use_top",
    True,
    "Whether a class with more than --num_image above --min_threshold is cut "
    "at a higher probability, that leaves so many or a little more; else it is "
    "thinned evenly.",
)
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards",
    1,
    "Shards that the unlabelled images are divided into; with the number of "
    "their files (or a divisor), a shard reads its own files alone.",
)
_TOTAL_REPLICAS = flags.DEFINE_integer(
    "total_replicas", 1, "Workers that share each shard."
)
_SAMPLES_PER_CLASS = flags.DEFINE_integer(
    "samples_per_class",
    5,
    "About so many kept images of each class are saved as files, to look at.",
)


def pseudo_label_config() -> config.PseudoLabelConfig:
    """The group as a dataclass."""
    return config.PseudoLabelConfig(
        num_image=_NUM_IMAGE.value,
        min_threshold=_MIN_THRESHOLD.value,
        max_prob=_MAX_PROB.value,
        upsample=_UPSAMPLE.value,
        use_all=_USE_ALL.value,
        use_top=_USE_TOP.value,
        num_shards=_NUM_SHARDS.value,
        total_replicas=_TOTAL_REPLICAS.value,
        samples_per_class=_SAMPLES_PER_CLASS.value,
    )
