"""Input noise."""

from absl import flags

from noisy_student import config

_AUGMENT_NAME = flags.DEFINE_enum(
    "augment_name",
    "none",
    config.AUGMENTATIONS,
    "none: crops and flips only; v1: RandAugment too, and for small images "
    "a cut-out square of half the side; keras_cv: keras-cv's in its place "
    "(slower; its runs cannot be repeated exactly).",
)
_UNL_AUG = flags.DEFINE_enum(
    "unl_aug",
    None,
    config.AUGMENTATIONS,
    "--augment_name of unlabelled images; default: the same.",
)
_REMOVE_AUG = flags.DEFINE_bool(
    "remove_aug",
    False,
    "Shows labelled training images as in evaluation, without noise; for "
    "fine-tuning.",
)
_RANDAUG_MAG = flags.DEFINE_float(
    "randaug_mag",
    27,
    "RandAugment's magnitude, in [0, 30], where 10 is the full range of "
    "AutoAugment.",
)
_RANDAUG_LAYER = flags.DEFINE_integer(
    "randaug_layer", 2, "Operations that RandAugment applies to an image."
)
_CUTOUT_OP = flags.DEFINE_bool(
    "cutout_op", True, "Whether Cutout is among RandAugment's operations."
)
_HORIZONTAL_FLIP = flags.DEFINE_bool(
    "horizontal_flip",
    None,
    "Whether training images are mirrored at random; default: the task's "
    "(not for digits).",
)


def noise_config() -> config.NoiseConfig:
    """The group as a dataclass."""
    return config.NoiseConfig(
        augment_name=_AUGMENT_NAME.value,
        unl_aug=_UNL_AUG.value,
        remove_aug=_REMOVE_AUG.value,
        randaug_mag=_RANDAUG_MAG.value,
        randaug_layer=_RANDAUG_LAYER.value,
        cutout_op=_CUTOUT_OP.value,
        horizontal_flip=_HORIZONTAL_FLIP.value,
    )
