"""Settings of the images: which they are, and their noise."""

import dataclasses

from noisy_student.config.checks import (
    require,
    require_choice,
    require_positive,
)

AUGMENTATIONS = ("none", "v1", "keras_cv")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images, and which of them keep their labels.

    Attributes:
        task_name: digits, cifar10, ... or any image data set of
            tensorflow-datasets with `image` and `label`; with
            `label_data_dir` only a name.
        tfds_data_dir: where tensorflow-datasets keeps its data; None is its
            own default.
        label_data_dir: directories with the task's images, joined with `;`;
            None is tensorflow-datasets.
        unlabel_image_dir: directories with the unlabelled images, likewise;
            None looks where the labelled ones are.
        label_split, unlabel_split, test_split: splits of tensorflow-datasets
            or of the directories, slices allowed; None takes the task's.
        num_label_classes: number of labels, where the images come from
            directories that do not say it.
        num_labeled: class-balanced number of images that keep their label;
            None is all. The others of the same split are unlabelled.
        input_image_size: side in pixels; None is the task's, or else the
            model's.
        unlabel_data_dir: pseudo-labelled records to train on; None outside
            of mode=train.
    """

    task_name: str
    tfds_data_dir: str | None = None
    label_data_dir: str | None = None
    unlabel_image_dir: str | None = None
    label_split: str | None = None
    unlabel_split: str | None = None
    test_split: str | None = None
    num_label_classes: int | None = None
    num_labeled: int | None = None
    input_image_size: int | None = None
    unlabel_data_dir: str | None = None

    def __post_init__(self) -> None:
        require_positive(
            self, "num_label_classes", "num_labeled", "input_image_size"
        )
        if self.label_data_dir is None:
            return
        if self.task_name == "digits":
            raise ValueError(
                f"label_data_dir={self.label_data_dir} does not go with "
                "task_name=digits, which has images of its own; give another "
                "name."
            )
        if self.tfds_data_dir is not None:
            raise ValueError(
                f"label_data_dir={self.label_data_dir} and tfds_data_dir="
                f"{self.tfds_data_dir} do not go together: the images come "
                "from one of them; leave out the other."
            )


@dataclasses.dataclass(frozen=True)
class NoiseConfig:
    """Input noise.

    Attributes:
        augment_name: none, v1 for RandAugment, or keras_cv for keras-cv's.
        unl_aug: the same for unlabelled images; None is `augment_name`.
        remove_aug: whether labelled images are seen as in evaluation.
        randaug_mag: RandAugment's magnitude, in [0, 30]; 10 is "full".
        randaug_layer: operations on each image.
        cutout_op: whether Cutout is among RandAugment's operations.
        horizontal_flip: None is the task's.
    """

    augment_name: str = "none"
    unl_aug: str | None = None
    remove_aug: bool = False
    randaug_mag: float = 27
    randaug_layer: int = 2
    cutout_op: bool = True
    horizontal_flip: bool | None = None

    def __post_init__(self) -> None:
        require_choice("augment_name", self.augment_name, AUGMENTATIONS)
        if self.unl_aug is not None:
            require_choice("unl_aug", self.unl_aug, AUGMENTATIONS)
        magnitude, layers = self.randaug_mag, self.randaug_layer
        require(0 <= magnitude <= 30, "randaug_mag", "in [0, 30]", magnitude)
        require(layers >= 0, "randaug_layer", "at least 0", layers)

    def of_unlabeled(self) -> "NoiseConfig":
        """The noise of unlabelled images, as their `augment_name`."""
        name = self.augment_name if self.unl_aug is None else self.unl_aug
        return dataclasses.replace(self, augment_name=name, remove_aug=False)


@dataclasses.dataclass(frozen=True)
class InputConfig:
    """How the input pipelines use memory and threads.

    Attributes:
        shuffle_buffer_size: encoded images among which the next is drawn.
        num_parallel_calls: threads that decode and noise; None is one a core.
        cache_mib: decoded small images (up to 64 pixels) are kept in memory
            where a source's take no more than this, in MiB.
    """

    shuffle_buffer_size: int = 10_000
    num_parallel_calls: int | None = None
    cache_mib: int = 1024

    def __post_init__(self) -> None:
        require_positive(self, "shuffle_buffer_size", "num_parallel_calls")
        require(self.cache_mib >= 0, "cache_mib", "at least 0", self.cache_mib)
