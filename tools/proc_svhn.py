r"""Makes TFRecords of SVHN, divided as the original program does.

  python tools/proc_svhn.py --raw_data_dir=RAW --output_dir=svhn
  python main.py --task_name=svhn --label_data_dir=svhn \
    --unlabel_image_dir=svhn/unlabeled ...

train is 73,257 images less the 4,000 of dev, test 26,032, and unlabeled/extra
531,131. RAW/downloaded_data holds train_32x32.mat, test_32x32.mat and
extra_32x32.mat; those that are missing are downloaded. The same command goes
on where it was. With --full_train_data train is whole and dev is test.
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
