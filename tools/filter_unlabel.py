"""Filters and balances the images that a teacher labelled.

Between two steps of main.py:

  python main.py --mode=predict --output_dir=PREDICTIONS ...
  python tools/filter_unlabel.py --prediction_dir=PREDICTIONS --output_dir=DIR
  python main.py --mode=train --unlabel_data_dir=DIR --unlabel_ratio=7 ...

The flags that choose the images (task_name, splits, num_labeled, seed and
num_shards) must be those of the prediction. Leaves DIR/data/train-* and
DIR/stats.json.
"""

import pathlib
import sys

from absl import app
from absl import flags as absl_flags

# Run by its path, so that the tree above must be put on Python's.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import flags
from flags import data, predict, pseudo_labels, run
from flags.entry import run_planned

_PREDICTION_DIR = absl_flags.DEFINE_string(
    "prediction_dir", None, "The output_dir of --mode=predict."
)


def main(argv: list[str]) -> None:
    """Plans the filtering, then does it."""

    def plan():
        from noisy_student import modes

        config = flags.experiment_config()
        return modes.plan_filter(config, _PREDICTION_DIR.value)

    run_planned(argv, plan)


if __name__ == "__main__":
    flags.show_in_help(data, predict, pseudo_labels, run)
    app.run(main)
