"""Makes TFRecords of images, for sets too large for single files.

Of folders (train/CLASS/*.jpg, test/CLASS/*.jpg, unlabelled/*.jpg; or one heap
of unlabelled images), or of a name of tensorflow-datasets:

  python tools/make_records.py --input_dir=photos --output_dir=records
  python tools/make_records.py --task_name=cifar10 --output_dir=records

and then --label_data_dir=records, or for a heap --unlabel_image_dir=records.
JPEGs are copied byte for byte (turned upright where EXIF says so), others
become JPEGs of quality 100. The same command goes on where it was.
"""

import os
import pathlib
import sys
from collections.abc import Callable

from absl import app
from absl import flags as absl_flags

# Run by its path, so that the tree above must be put on Python's.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import flags
from flags import data
from flags.entry import run_planned

_INPUT_DIR = absl_flags.DEFINE_string(
    "input_dir", None, "Folders of images; this or --task_name."
)
_SPLITS = absl_flags.DEFINE_list(
    "splits", None, "Splits to make, e.g. train,test; default: all."
)
_NUM_WORKERS = absl_flags.DEFINE_integer(
    "num_workers", os.cpu_count() or 1, "Processes; default: one a core."
)
for _name in ("task_name", "tfds_data_dir", "output_dir", "num_shards", "seed"):
    absl_flags.declare_key_flag(_name)


def main(argv: list[str]) -> None:
    """Plans the work, then does it."""
    run_planned(argv, plan)


def plan() -> Callable[[], None]:
    """Refuses bad flags and folders, and returns the work."""
    from noisy_student import make_records
    from noisy_student.config.tools import MakeSettings

    config = flags.experiment_config()
    settings = MakeSettings(
        output_dir=config.predict.output_dir,  # type: ignore[arg-type]
        input_dir=_INPUT_DIR.value,
        task_name=config.data.task_name if data.TASK_NAME.present else None,
        tfds_data_dir=config.data.tfds_data_dir,
        splits=tuple(_SPLITS.value) if _SPLITS.value else None,
        num_shards=config.pseudo_labels.num_shards,
        num_workers=_NUM_WORKERS.value,
        seed=config.seed,
    )
    stage = make_records.MakeRecords(settings)
    stage.validate()
    return stage.run


if __name__ == "__main__":
    absl_flags.FLAGS.set_default("num_shards", 128)
    app.run(main)
