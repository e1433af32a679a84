"""Which images, and which of them keep their labels."""

import pathlib

from absl import flags

from noisy_student import config, tasks

TASK_NAME = flags.DEFINE_string(
    "task_name",
    "digits",
    "digits (scikit-learn's scans, nothing to download), cifar10, "
    "svhn_cropped (svhn), imagenet2012 (imagenet), or any data set of "
    "tensorflow-datasets with `image` and `label`. With --label_data_dir only "
    "a name, of a known task to take its normalisation; default then: the "
    "directory's.",
)
_TFDS_DATA_DIR = flags.DEFINE_string(
    "tfds_data_dir",
    None,
    "Where tensorflow-datasets keeps its data; default: its own "
    "(~/tensorflow_datasets). A missing data set is downloaded there.",
)
_LABEL_DATA_DIR = flags.DEFINE_string(
    "label_data_dir",
    None,
    "Directories (joined with ;) with the images: train/CLASS/*.jpg and "
    "test/CLASS/*.jpg, or TFRecords train-00000-of-00128 ...; default: none, "
    "the images are those of tensorflow-datasets.",
)
_UNLABEL_IMAGE_DIR = flags.DEFINE_string(
    "unlabel_image_dir",
    None,
    "Directories (joined with ;) with the unlabelled images, files or "
    "TFRecords; default: --unlabel_split of the labelled ones' place.",
)
_LABEL_SPLIT = flags.DEFINE_string(
    "label_split",
    None,
    "Split with the labelled images, e.g. train[:90%] or train+validation; "
    "default: the task's.",
)
_UNLABEL_SPLIT = flags.DEFINE_string(
    "unlabel_split",
    None,
    "Split with the unlabelled images, e.g. extra; default: the task's, or "
    "extra, unlabelled or unlabeled of --label_data_dir, or what "
    "--num_labeled leaves of --label_split.",
)
_TEST_SPLIT = flags.DEFINE_string(
    "test_split", None, "Split to evaluate on; default: the task's."
)
_NUM_LABEL_CLASSES = flags.DEFINE_integer(
    "num_label_classes",
    None,
    "Number of classes, where --label_data_dir holds TFRecords without "
    "classes.txt; default: the task's.",
    lower_bound=1,
)
_NUM_LABELED = flags.DEFINE_integer(
    "num_labeled",
    None,
    "Images of --label_split that keep their label, as many of each class, "
    "chosen by --seed; default: the task's (digits 50, cifar10 4000, others "
    "all).",
)
_INPUT_IMAGE_SIZE = flags.DEFINE_integer(
    "input_image_size",
    None,
    "Side of the model's input in pixels; default: the task's, or else the "
    "model's.",
)
_UNLABEL_DATA_DIR = flags.DEFINE_string(
    "unlabel_data_dir",
    None,
    "Pseudo-labelled records for --mode=train: the output_dir of "
    "tools/filter_unlabel.py.",
)


def data_config() -> config.DataConfig:
    """The group as a dataclass."""
    return config.DataConfig(
        task_name=tasks.full_name(_task_name()),
        tfds_data_dir=_TFDS_DATA_DIR.value,
        label_data_dir=_absolute(_LABEL_DATA_DIR.value),
        unlabel_image_dir=_absolute(_UNLABEL_IMAGE_DIR.value),
        label_split=_LABEL_SPLIT.value,
        unlabel_split=_UNLABEL_SPLIT.value,
        test_split=_TEST_SPLIT.value,
        num_label_classes=_NUM_LABEL_CLASSES.value,
        num_labeled=_NUM_LABELED.value,
        input_image_size=_INPUT_IMAGE_SIZE.value,
        unlabel_data_dir=_UNLABEL_DATA_DIR.value,
    )


def _task_name() -> str:
    """As given, or else the first image directory's name."""
    if _LABEL_DATA_DIR.value is None or TASK_NAME.present:
        return TASK_NAME.value
    return pathlib.Path(_LABEL_DATA_DIR.value.split(";")[0]).resolve().name


def _absolute(directories: str | None) -> str | None:
    """So that a run means the same images wherever it is started."""
    if directories is None:
        return None
    parts = directories.split(";")
    return ";".join(str(pathlib.Path(part).resolve()) for part in parts)
