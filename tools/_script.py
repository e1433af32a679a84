"""How the scripts beside this file start; they import it first.

Python puts only the script's own directory on its path; this adds the checkout.
"""

import pathlib
import sys
from collections.abc import Callable

from absl import app

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import flags
from flags import entry
from noisy_student import startup
from noisy_student.config import Settings


def run(
    make_stage: Callable[[], entry.Stage],
    settings: type[Settings],
    *groups: type[Settings],
) -> None:
    """Defines a script's flags, and then runs what they ask for.

    Args:
        make_stage: reads the flags and returns the script's stage.
        settings: the script's own flags.
        *groups: those of an experiment that the script uses.
    """

    def make() -> entry.Stage:
        startup.import_tensorflow()
        return make_stage()

    flags.define(settings)
    flags.show_in_help(settings, *groups)
    app.run(
        lambda argv: entry.run_stage(argv, make),
        flags_parser=entry.parse_flags,
    )
