"""Makes TFRecords of images, for sets too large for single files.

Of folders (train/CLASS/*.jpg, test/CLASS/*.jpg, unlabelled/*.jpg; or one heap
of unlabelled images), or of a name of tensorflow-datasets:

  python tools/make_records.py --input_dir=photos --output_dir=records
  python tools/make_records.py --task_name=cifar10 --output_dir=cifar10_records

and then --label_data_dir=records, or for a heap --unlabel_image_dir=records.
JPEGs are copied byte for byte (turned upright where EXIF says so), others
become JPEGs of quality 100. The same command goes on where it was.
"""

import _script

import flags
from noisy_student.config.tools import MakeSettings


def make_stage():
    """The records that the flags ask for."""
    from noisy_student import make_records

    return make_records.MakeRecords(flags.read(MakeSettings))


if __name__ == "__main__":
    _script.run(make_stage, MakeSettings)
