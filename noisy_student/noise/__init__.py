"""Input noise: RandAugment, and the crops and flips that go with it."""

from noisy_student.noise.batches import (
    random_cutout,
    random_flip,
    random_pad_crop,
)
from noisy_student.noise.crops import (
    central_crop,
    decode,
    decode_random_area,
    random_and_central_crop,
    random_area_crop,
    resize,
)
from noisy_student.noise.policy import (
    CUTOUT_LIMIT,
    OP_NAMES,
    TRANSLATE_LIMIT,
    apply_op,
)
from noisy_student.noise.programs import FORMS
from noisy_student.noise.rand_augment import RandAugment, keras_cv_rand_augment

__all__ = [
    "CUTOUT_LIMIT",
    "FORMS",
    "OP_NAMES",
    "TRANSLATE_LIMIT",
    "RandAugment",
    "apply_op",
    "central_crop",
    "decode",
    "decode_random_area",
    "keras_cv_rand_augment",
    "random_and_central_crop",
    "random_area_crop",
    "random_cutout",
    "random_flip",
    "random_pad_crop",
    "resize",
]
