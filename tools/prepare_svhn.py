r"""Makes TFRecords of SVHN, divided as the original program does.

  python tools/prepare_svhn.py --tfds_data_dir=DATA --output_dir=svhn
  python main.py --task_name=svhn --label_data_dir=svhn \
    --unlabel_image_dir=svhn/unlabeled ...

train is 73,257 images less the 4,000 of validation, test 26,032, and
unlabeled/extra 531,131, from svhn_cropped of tensorflow-datasets. The same
command goes on where it was.
"""

import _script

import flags
from noisy_student.config.tools import SvhnSettings


def make_stage():
    """The records of SVHN."""
    from noisy_student import make_records

    return make_records.PrepareSvhn(flags.read(SvhnSettings))


if __name__ == "__main__":
    _script.run(make_stage, SvhnSettings)
