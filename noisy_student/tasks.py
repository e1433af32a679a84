"""Facts about data sets that no file of theirs states.

`data/open.py` opens the images. A data set that is not listed here is
looked up in tensorflow-datasets and gets `generic_task`'s defaults.
"""

import dataclasses

SMALL_SIDE = 64  # of the largest small images, in pixels
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Task:
    """A data set to train on.

    Attributes:
        name: The value of `--task_name`, and the name in tensorflow-datasets.
        num_classes: Number of classes.
        image_size: Side of the training images in pixels; None for the
            model's own resolution.
        mean, std: Mean and standard deviation of the RGB values, in [0, 1].
        horizontal_flip: Whether a mirrored image keeps its class.
        small_images: Whether all images have one small size (at most 64
            pixels). Such images are cached decoded, and cropped by padding
            instead of by area.
        label_split, unlabel_split, test_split: Splits of tensorflow-datasets.
            Where `unlabel_split` is None, the unlabelled images are those of
            `label_split` that `num_labeled` leaves.
        num_labeled: Number of images that keep their label by default; None
            for all.
        validation_fraction: Share of these that is held out by default where
            no split validates.
    """

    name: str
    num_classes: int
    image_size: int | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    horizontal_flip: bool = True
    small_images: bool = False
    label_split: str = "train"
    unlabel_split: str | None = None
    test_split: str = "test"
    num_labeled: int | None = None
    validation_fraction: float = 0.1


# Means and standard deviations are those of the training images; the digits
# have no fixed split, so theirs are those of all images.
_TASKS = (
    Task(
        "digits",
        num_classes=10,
        image_size=32,
        mean=(0.3053, 0.3053, 0.3053),
        std=(0.3760, 0.3760, 0.3760),
        horizontal_flip=False,
        small_images=True,
        num_labeled=50,
    ),
    Task(
        "cifar10",
        num_classes=10,
        image_size=32,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        small_images=True,
        num_labeled=4000,
    ),
    Task(
        "svhn_cropped",
        num_classes=10,
        image_size=32,
        mean=(0.4376821, 0.4437697, 0.47280442),
        std=(0.19803012, 0.20101562, 0.19703614),
        horizontal_flip=False,
        small_images=True,
        unlabel_split="extra",
        validation_fraction=0.0,
    ),
    Task(
        "imagenet2012",
        num_classes=1000,
        test_split="validation",
        validation_fraction=0.0,
    ),
)
KNOWN = {task.name: task for task in _TASKS}
# What the original program calls them.
ORIGINAL_NAMES = {"svhn": "svhn_cropped", "imagenet": "imagenet2012"}

# Data sets of characters, whose mirror images are other characters.
_NOT_TO_FLIP = ("mnist", "kmnist", "emnist", "binarized_mnist", "omniglot")


def full_name(name: str) -> str:
    """Translates the original program's name of a task."""
    return ORIGINAL_NAMES.get(name, name)


def generic_task(name: str, num_classes: int, side: int | None) -> Task:
    """The defaults for a data set that is not in `KNOWN`.

    Args:
        name: Name of the data set in tensorflow-datasets.
        num_classes: Number of classes.
        side: Side of the images in pixels, where all are squares of one
            size; else None.
    """
    small = side is not None and side <= SMALL_SIDE
    return Task(
        name,
        num_classes,
        image_size=side if small else None,
        horizontal_flip=name.split("/")[0] not in _NOT_TO_FLIP,
        small_images=small,
    )
