r"""Makes TFRecords of SVHN, divided as the original program does.

  python tools/prepare_svhn.py --tfds_data_dir=DATA --output_dir=svhn
  python main.py --task_name=svhn --label_data_dir=svhn \
    --unlabel_image_dir=svhn/unlabeled ...

train is 73,257 images less the 4,000 of validation, test 26,032, and
unlabeled/extra 531,131, from svhn_cropped of tensorflow-datasets. The same
command goes on where it was.
"""

import _checkout  # noqa: F401
from absl import app

import flags
from flags.entry import run_stage
from noisy_student.config.tools import SvhnSettings


def main(argv: list[str]) -> None:
    """Makes the records of SVHN."""

    def make_stage():
        from noisy_student import make_records

        return make_records.PrepareSvhn(flags.read(SvhnSettings))

    run_stage(argv, make_stage)


if __name__ == "__main__":
    flags.define(SvhnSettings)
    flags.show_in_help(SvhnSettings)
    app.run(main)
