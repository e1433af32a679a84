"""Settings of the images: which they are, and their noise."""

import dataclasses

from noisy_student.config.checks import require, require_choice

AUGMENTATIONS = ("none", "v1")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images, and which of them keep their labels.

    Attributes:
        task_name: digits, cifar10, ... or any image data set of
            tensorflow-datasets with `image` and `label`.
        tfds_data_dir: where tensorflow-datasets keeps its data; None is its
            own default.
        label_split, unlabel_split, test_split: splits of tensorflow-datasets,
            slices allowed; None takes the task's.
        num_labeled: class-balanced number of images that keep their label;
            None is all. The others of the same split are unlabelled.
        input_image_size: side in pixels; None is the task's, or else the
            model's.
        unlabel_data_dir: pseudo-labelled records to train on; None outside
            of mode=train.
    """

    task_name: str
    tfds_data_dir: str | None = None
    label_split: str | None = None
    unlabel_split: str | None = None
    test_split: str | None = None
    num_labeled: int | None = None
    input_image_size: int | None = None
    unlabel_data_dir: str | None = None

    def __post_init__(self) -> None:
        for name in ("num_labeled", "input_image_size"):
            value = getattr(self, name)
            require(value is None or value > 0, name, "above 0", value)


@dataclasses.dataclass(frozen=True)
class NoiseConfig:
    """Input noise.

    Attributes:
        augment_name: none, or v1 for RandAugment.
        randaug_mag: RandAugment's magnitude, in [0, 30]; 10 is "full".
        randaug_layer: operations on each image.
        cutout_op: whether Cutout is among RandAugment's operations.
        horizontal_flip: None is the task's.
    """

    augment_name: str = "none"
    randaug_mag: float = 27
    randaug_layer: int = 2
    cutout_op: bool = True
    horizontal_flip: bool | None = None

    def __post_init__(self) -> None:
        require_choice("augment_name", self.augment_name, AUGMENTATIONS)
        magnitude, layers = self.randaug_mag, self.randaug_layer
        require(0 <= magnitude <= 30, "randaug_mag", "in [0, 30]", magnitude)
        require(layers >= 0, "randaug_layer", "at least 0", layers)
