"""Settings of the images: which they are, and their noise."""

import dataclasses
import pathlib

from noisy_student import tasks
from noisy_student.config.paths import absolute, absolute_all
from noisy_student.config.settings import Settings, setting

AUGMENTATIONS = ("none", "v1", "keras_cv")
NOISE_PLACES = ("host", "device")
# The task of a folder of images of which nothing is said.
ANY_IMAGES = "images"


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """Which images, and which of them keep their labels.

    `task_name` is never None once an instance is made, and is the name in
    tensorflow-datasets where the original program has another one.
    """

    task_name: str = setting(None, none=("",))
    """digits (scikit-learn's scans, nothing to download), cifar10,
    svhn_cropped (svhn), imagenet2012 (imagenet), or any data set of
    tensorflow-datasets with `image` and `label`. With --label_data_dir it is
    only a name; that of a known task brings its normalisation. The names
    imagenet and svhn also bring the original program's defaults
    (docs/original.md). Default: digits; with --label_data_dir the directory's
    name, or imagenet if it holds TFRecords without classes.txt; with
    --image_dir none."""

    tfds_data_dir: str | None = setting(None)
    """Directory in which tensorflow-datasets keeps its data; a missing data
    set is downloaded there. Default: ~/tensorflow_datasets."""

    label_data_dir: str | None = setting(None)
    """Directories with the images, joined with `;`: train/CLASS/*.jpg and
    test/CLASS/*.jpg, or TFRecords train-00000-of-00128 and so on. Default:
    none, the images come from tensorflow-datasets."""

    labels_csv: str | None = setting(None, none=("",))
    """CSV file with the columns path, relative to --label_data_dir, and class,
    for images in any folders there; perhaps with a column split (train, test
    or validation). Images that it does not name, or names without a class, are
    unlabelled. What --output was written to, corrected, will do. Default:
    folders are the classes."""

    unlabel_image_dir: str | None = setting(None)
    """Directories with the unlabelled images, joined with `;`: image files or
    TFRecords. Default: --unlabel_split of the place that the labelled images
    come from."""

    unlabel_truth: str | None = setting(None, none=("",))
    """An .npy file with the true class of each unlabelled image, an integer
    from 0, or -1 for none of the classes, in the order in which they are read
    (records file by file, image files by path; with those that are left out as
    test images). It only measures pseudo labels, and nothing learns from it. A
    run may go on with another file; what was measured stays. Default: the
    labels of the images themselves, if they have some."""

    label_split: str | None = setting(None)
    """Split with the labelled images, e.g. train[:90%] or train+validation.
    Default: the task's."""

    unlabel_split: str | None = setting(None)
    """Split with the unlabelled images, e.g. extra. Default: the task's; or
    extra, unlabelled or unlabeled of --label_data_dir; or what --num_labeled
    leaves of --label_split."""

    test_split: str | None = setting(None)
    """Split to evaluate on. Default: the task's."""

    validation_split: str | None = setting(None)
    """Split of the images that choose: the best weights of a training, when
    it ends early, and the next teacher; e.g. train[90%:]. Default: dev or
    validation, if there is one that no other split flag takes."""

    validation_fraction: float | None = setting(
        None, original=0.0, at_least=0, below=1
    )
    """Share of the labelled images that is held out of training for the same,
    the same share of each class, chosen by --seed. Less than 5 images per
    class would not tell good from better: then none are held out. Default: 0.1
    for folders of images and data sets of tensorflow-datasets without
    --validation_split (0 for svhn and imagenet), 0 for TFRecords."""

    test_fraction: float = setting(0.2, above=0, below=1)
    """Share of the labelled images in folders that become the test images,
    where there is no split for these; the same share of each class, and the
    same images whatever --seed is."""

    num_label_classes: int | None = setting(None, above=0)
    """Number of classes of TFRecords without classes.txt in --label_data_dir.
    Default: the task's."""

    num_train_images: int | None = setting(None, above=0)
    """Take only so many images of --label_split, the first ones. Default:
    all."""

    num_eval_images: int | None = setting(None, above=0)
    """The same for the images of validation, where these are what is
    evaluated. Default: all."""

    num_test_images: int | None = setting(None, above=0)
    """The same for the images of --test_split. Default: all."""

    num_train_shards: int | None = setting(None, above=0)
    """Read only so many of the TFRecord files of --label_split, the first
    ones. Default: all."""

    num_labeled: int | None = setting(None, above=0)
    """How many images of --label_split keep their label, chosen by --seed: the
    same number of each class, or where a class has less than that, the same
    share of each. The others are unlabelled. Default: the task's (50 for
    digits, 4000 for cifar10, all for others)."""

    input_image_size: int | None = setting(None, above=0)
    """Side of the model's input in pixels. Default: the task's, or else the
    model's."""

    unlabel_data_dir: str | None = setting(None)
    """Directory with unlabelled records for --mode=train: pseudo-labelled ones,
    the --output_dir of tools/filter_unlabel.py or its data/; or with
    --teacher_model_path any train-* and extra-* ones."""

    image_dir: str | None = setting(None, none=("",))
    """Folder whose images --mode=predict labels, those in its folders too; the
    labels go to --output."""

    file_prefix: str | None = setting(None, none=("",))
    """Name of the files that --mode=predict and tools/filter_unlabel.py read,
    e.g. extra for extra-00000-of-00128 in --label_data_dir, which then needs
    no other files. Default: the unlabelled images of the task."""

    data_type: str | None = setting(None, choices=("tfrecord",))
    """What --label_data_dir holds, to be sure of it. Default: what is found
    there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("label_data_dir", "unlabel_image_dir"):
            self._resolve(**{name: absolute_all(name, getattr(self, name))})
        self._resolve(
            unlabel_data_dir=absolute(self.unlabel_data_dir),
            labels_csv=absolute(self.labels_csv),
            unlabel_truth=absolute(self.unlabel_truth),
            task_name=tasks.full_name(self._given_task_name()),
        )
        if self.validation_split is not None and self.validation_fraction:
            raise ValueError(
                f"validation_split={self.validation_split} and "
                f"validation_fraction={self.validation_fraction} both say "
                "which images validate; leave out one of them."
            )
        if self.label_data_dir is None:
            if self.labels_csv is not None:
                raise ValueError(
                    f"labels_csv={self.labels_csv} needs label_data_dir, the "
                    "directory of its images."
                )
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

    def _given_task_name(self) -> str:
        if self.task_name is not None:
            return self.task_name
        if self.label_data_dir is None:
            return "digits" if self.image_dir is None else ANY_IMAGES
        return pathlib.PurePath(self.label_data_dir.split(";")[0]).name


@dataclasses.dataclass(frozen=True)
class NoiseConfig(Settings):
    """Input noise: what is done to the images in training."""

    augment_name: str = setting("none", choices=AUGMENTATIONS, none=("",))
    """none: random crops and flips only; v1: RandAugment too, and for small
    images a cut-out square of half the side; keras_cv: keras-cv's RandAugment
    instead (slower, and not exactly repeatable)."""

    unl_aug: str | None = setting(
        None, choices=AUGMENTATIONS, none=("default", "")
    )
    """The same choice for unlabelled images. Default: --augment_name."""

    remove_aug: bool = setting(False)
    """Show labelled training images as in evaluation, without noise; for
    fine-tuning."""

    randaug_mag: float = setting(27.0, at_least=0, at_most=30)
    """RandAugment's magnitude; larger is stronger, and 10 is the full range of
    AutoAugment."""

    randaug_layer: int = setting(2, at_least=0)
    """Operations that RandAugment applies to each image."""

    cutout_op: bool = setting(True)
    """Whether Cutout is one of RandAugment's operations."""

    randaug_scale_with_side: bool = setting(False)
    """Below 224 pixels, make RandAugment's shifts and cut-out squares smaller
    with the side of the image. Their sizes in pixels, the original's, are for
    224 and more: at 96, whole images turn grey. Images of up to 64 pixels have
    sizes of their own in either case."""

    horizontal_flip: bool | None = setting(None)
    """Whether training images are mirrored at random. Default: the task's (not
    for digits)."""

    noise_teacher: bool = setting(False)
    """Let a teacher predict unlabelled images under the noise that they train
    with, its own dropout and stochastic depth on; for the ablation in section
    4.1 of arXiv 1911.04252, whose teachers have none otherwise. Its batch norm
    is that of evaluation."""

    def __post_init__(self) -> None:
        if self.unl_aug == "":  # as in the original, where None is "default"
            self._resolve(unl_aug="none")
        super().__post_init__()
        if self.augment_name is None:
            self._resolve(augment_name="none")

    def of_unlabeled(self) -> "NoiseConfig":
        """The noise of unlabelled images, as their `augment_name`."""
        name = self.augment_name if self.unl_aug is None else self.unl_aug
        return dataclasses.replace(self, augment_name=name, remove_aug=False)


@dataclasses.dataclass(frozen=True)
class InputConfig(Settings):
    """How the input pipelines use memory, threads and devices."""

    shuffle_buffer_size: int = setting(10_000, above=0)
    """Encoded images in memory, where they come from TFRecords: a third are
    shuffled while the next ones are read. 10,000 photographs of 100 KB take
    1 GB. Image files and images in --cache_mib need none of it."""

    num_parallel_calls: int | None = setting(None, above=0)
    """Threads that decode images and add noise. Default: one per core."""

    cache_mib: int = setting(1024, at_least=0)
    """A source of small images (up to 64 pixels) stays in memory, decoded, if
    it takes no more MiB than this; and of image files that training reads,
    copies of half as many pixels again on a side as the model's input."""

    use_cache: bool = setting(True)
    """False is --cache_mib=0."""

    noise_on: str = setting("host", choices=NOISE_PLACES)
    """Where training images get their noise, the same on both: host, beside
    the reading and decoding; device, in the training step on a GPU or TPU,
    where the host's cores cannot keep up. keras-cv's runs on the host alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.use_cache:
            self._resolve(cache_mib=0)
