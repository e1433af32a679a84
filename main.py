"""Noisy Student Training: teach, label, filter, study under noise, repeat.

The whole method on scikit-learn's digits, in minutes on a laptop:

  python main.py --flagfile=flags/recipes/digits.cfg --model_dir=runs/digits

Other experiments are flag files in flags/recipes/; a flag after --flagfile
overrides what the file says.
"""

from absl import app

import flags
from flags.entry import Stage, run_stage


def main(argv: list[str]) -> None:
    """Runs the stage that --mode names."""
    run_stage(argv, make_stage)


def make_stage() -> Stage | None:
    """The stage that the flags ask for; None where it is finished."""
    config = flags.experiment_config()
    # TensorFlow takes seconds to import; bad flags need not wait for it.
    from noisy_student import stages

    return stages.make_stage(config)


if __name__ == "__main__":
    flags.show_in_help()
    app.run(main)
