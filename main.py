r"""Noisy Student Training: teach, label, filter, study under noise, repeat.

The whole method on scikit-learn's digits, in minutes (more in flags/recipes/):
  python main.py --flagfile=flags/recipes/digits.cfg --model_dir=runs/digits
On your own images, in photos/{train,test}/CLASS/ and photos/unlabelled/:
  python main.py --flagfile=flags/recipes/photos.cfg --label_data_dir=photos \
    --model_dir=runs/photos
One stage alone: --mode=train, eval, robustness, predict or export.
--help has a line for each flag, --helpfull all that is to be said of them.
README.md explains it; docs/original.md compares flags with the original's.
"""

import sys

from absl import app

import flags
from flags.entry import Stage, parse_flags, run_stage
from noisy_student import startup


def main(argv: list[str]) -> None:
    """Runs the stage that --mode names."""
    run_stage(argv, make_stage)


def make_stage() -> Stage | None:
    """The stage that the flags ask for; None where it is finished."""
    config = flags.experiment_config()
    # TensorFlow takes seconds to import; bad flags need not wait for it.
    startup.import_tensorflow()
    from noisy_student import stages

    return stages.make_stage(config)


if __name__ == "__main__":
    flags.show_in_help()
    if not sys.argv[1:]:
        print(__doc__.strip())
        sys.exit(1)  # as --help does
    app.run(main, flags_parser=parse_flags)
