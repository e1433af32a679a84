"""Settings of the scripts in tools/, beside those of an experiment."""

import dataclasses
import os

from noisy_student.config.checks import require
from noisy_student.config.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class _RecordSettings(Settings):
    """What the two scripts that make records have in common.

    `num_workers` is never None once an instance is made.
    """

    output_dir: str = setting(None, "Directory for the TFRecords.")
    tfds_data_dir: str | None = setting(
        None,
        "Directory in which tensorflow-datasets keeps its data. Default: "
        "~/tensorflow_datasets.",
    )
    num_workers: int = setting(
        None,
        "Processes that read, encode and write. Default: one per core.",
        above=0,
    )
    seed: int = setting(
        0, "Chooses the order of the images.", at_least=0, at_most=2**31 - 1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_dir is None:
            raise ValueError("output_dir must be set.")
        if self.num_workers is None:
            object.__setattr__(self, "num_workers", os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class MakeSettings(_RecordSettings):
    """Which images become TFRecords."""

    input_dir: str | None = setting(
        None, "Directory with folders of images; this or --task_name."
    )
    task_name: str | None = setting(
        None,
        "A data set of tensorflow-datasets with `image` and `label`; this or "
        "--input_dir.",
    )
    splits: tuple[str, ...] | None = setting(
        None,
        "Splits to make, e.g. train,test, or parts of splits, with a name "
        "where two have the same: train[:90%],validation=train[90%:]. "
        "Default: all.",
    )
    num_shards: int = setting(
        128,
        "Files per split, if it has so many images.",
        above=0,
        at_most=1_000_000,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.input_dir is None) == (self.task_name is None):
            raise ValueError(
                "One of input_dir and task_name must be set; got "
                f"{self.input_dir!r} and {self.task_name!r}."
            )


@dataclasses.dataclass(frozen=True)
class SvhnSettings(_RecordSettings):
    """How SVHN is divided.

    Attributes:
        num_validation: number of training images that validate, unless
            `full_train_data`.
    """

    full_train_data: bool = setting(
        False,
        "Train on all training images; the test images then also validate.",
    )
    num_validation: int = 4000

    def __post_init__(self) -> None:
        super().__post_init__()
        count = self.num_validation
        require(count > 0, "num_validation", "above 0", count)
