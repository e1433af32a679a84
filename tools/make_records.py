"""Makes TFRecords of images, for sets too large for single files.

Of folders (train/CLASS/*.jpg, test/CLASS/*.jpg, unlabelled/*.jpg; or one heap
of unlabelled images), or of a name of tensorflow-datasets:

  python tools/make_records.py --input_dir=photos --output_dir=records
  python tools/make_records.py --task_name=cifar10 --output_dir=records

and then --label_data_dir=records, or for a heap --unlabel_image_dir=records.
JPEGs are copied byte for byte (turned upright where EXIF says so), others
become JPEGs of quality 100. The same command goes on where it was.
"""

import _checkout  # noqa: F401
from absl import app

import flags
from flags.entry import run_stage
from noisy_student.config.tools import MakeSettings


def main(argv: list[str]) -> None:
    """Makes the records that the flags ask for."""

    def make_stage():
        from noisy_student import make_records

        return make_records.MakeRecords(flags.read(MakeSettings))

    run_stage(argv, make_stage)


if __name__ == "__main__":
    flags.define(MakeSettings)
    flags.show_in_help(MakeSettings)
    app.run(main)
