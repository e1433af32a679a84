r"""Makes TFRecords of SVHN, divided as the original program does.

  python tools/prepare_svhn.py --tfds_data_dir=DATA --output_dir=svhn
  python main.py --task_name=svhn --label_data_dir=svhn \
    --unlabel_image_dir=svhn/unlabeled ...

train is 73,257 images less the 4,000 of validation, test 26,032, and
unlabeled/extra 531,131, from svhn_cropped of tensorflow-datasets. The same
command goes on where it was.
"""

from collections.abc import Callable

import _checkout  # noqa: F401
from absl import app

import flags
from flags.entry import run_planned
from noisy_student.config.tools import SvhnSettings


def main(argv: list[str]) -> None:
    """Plans the work, then does it."""
    run_planned(argv, plan)


def plan() -> Callable[[], None]:
    """Refuses bad flags, and returns the work."""
    from noisy_student.data import prepare_svhn

    return prepare_svhn.plan_svhn(flags.read(SvhnSettings))


if __name__ == "__main__":
    flags.define(SvhnSettings)
    flags.show_in_help(SvhnSettings)
    app.run(main)
