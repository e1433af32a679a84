"""Makes TFRecords of images, for sets too large for single files.

Of folders (train/CLASS/*.jpg, test/CLASS/*.jpg, unlabelled/*.jpg; or one heap
of unlabelled images), or of a name of tensorflow-datasets:

  python tools/make_records.py --input_dir=photos --output_dir=records
  python tools/make_records.py --task_name=cifar10 --output_dir=records

and then --label_data_dir=records, or for a heap --unlabel_image_dir=records.
JPEGs are copied byte for byte (turned upright where EXIF says so), others
become JPEGs of quality 100. The same command goes on where it was.
"""

from collections.abc import Callable

import _checkout  # noqa: F401
from absl import app

import flags
from flags.entry import run_planned
from noisy_student.config.tools import MakeSettings


def main(argv: list[str]) -> None:
    """Plans the work, then does it."""
    run_planned(argv, plan)


def plan() -> Callable[[], None]:
    """Refuses bad flags and folders, and returns the work."""
    from noisy_student.data import make_records

    return make_records.plan_records(flags.read(MakeSettings))


if __name__ == "__main__":
    flags.define(MakeSettings)
    flags.show_in_help(MakeSettings)
    app.run(main)
