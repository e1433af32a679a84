"""Runs a recipe through main.py in a process of its own."""

import pathlib
import subprocess

from absl import flags

from tools.benchmarks import main_script

_RECIPE = flags.DEFINE_string(
    "recipe", "flags/recipes/digits.cfg", "Flag file of the experiment."
)


def start(directory: pathlib.Path, *arguments: str) -> subprocess.Popen:
    """Starts the recipe.

    Args:
        directory: its run directory.
        *arguments: flags after the recipe's.
    """
    return main_script.start(
        f"--flagfile={_RECIPE.value}",
        f"--model_dir={directory.absolute()}",
        *arguments,
    )


def finish(process: subprocess.Popen) -> None:
    """Waits for the end.

    Raises:
        RuntimeError: the process failed.
    """
    if process.wait():
        raise RuntimeError(f"main.py ended with code {process.returncode}.")
