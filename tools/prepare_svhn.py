r"""Makes TFRecords of SVHN, divided as the original program does.

  python tools/prepare_svhn.py --tfds_data_dir=DATA --output_dir=svhn
  python main.py --task_name=svhn --label_data_dir=svhn \
    --unlabel_image_dir=svhn/unlabeled ...

train is 73,257 images less the 4,000 of validation, test 26,032, and
unlabeled/extra 531,131, from svhn_cropped of tensorflow-datasets. The same
command goes on where it was.
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
from flags.entry import run_planned

_FULL_TRAIN_DATA = absl_flags.DEFINE_bool(
    "full_train_data",
    False,
    "All training images train; the test images validate.",
)
_NUM_WORKERS = absl_flags.DEFINE_integer(
    "num_workers", os.cpu_count() or 1, "Default: one a core."
)
for _name in ("tfds_data_dir", "output_dir", "seed"):
    absl_flags.declare_key_flag(_name)


def main(argv: list[str]) -> None:
    """Plans the work, then does it."""
    run_planned(argv, plan)


def plan() -> Callable[[], None]:
    """Refuses bad flags, and returns the work."""
    from noisy_student import make_records
    from noisy_student.config.tools import SvhnSettings

    config = flags.experiment_config()
    settings = SvhnSettings(
        output_dir=config.predict.output_dir,  # type: ignore[arg-type]
        tfds_data_dir=config.data.tfds_data_dir,
        full_train_data=_FULL_TRAIN_DATA.value,
        num_workers=_NUM_WORKERS.value,
        seed=config.seed,
    )
    stage = make_records.PrepareSvhn(settings)
    stage.validate()
    return stage.run


if __name__ == "__main__":
    app.run(main)
