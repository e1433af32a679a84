"""Noisy Student Training: teach, label, filter, study under noise, repeat.

The whole method on scikit-learn's digits, in minutes on a laptop:

  python main.py --flagfile=flags/recipes/digits.cfg --model_dir=runs/digits

Other experiments are flag files in flags/recipes/; a flag after --flagfile
overrides what the file says.
"""

from collections.abc import Callable

from absl import app

import flags
from flags.entry import run_planned
from noisy_student import report
from noisy_student.files import run_directory


def main(argv: list[str]) -> None:
    """Runs the mode that the flags name."""
    run_planned(argv, plan)


def plan() -> Callable[[], None] | None:
    """Checks the experiment; returns its work unless it is finished."""
    config = flags.experiment_config()
    # TensorFlow takes seconds to import; bad flags need not wait for it.
    from noisy_student import methods

    config = methods.with_defaults(config)
    if config.mode == "self_train":
        run_directory.check(config.directory, config)
        if report.is_finished(config):
            print(f"{config.model_dir} is finished:")
            print(report.format_table(report.load_results(config)))
            return None
    from noisy_student import modes

    return modes.plan(config)


if __name__ == "__main__":
    flags.show_in_help()
    app.run(main)
