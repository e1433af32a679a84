"""Runs a recipe through main.py in a process of its own."""

import pathlib
import subprocess
import sys

from absl import flags

ROOT = pathlib.Path(__file__).parents[2]

_RECIPE = flags.DEFINE_string(
    "recipe", "flags/recipes/digits.cfg", "Flag file of the experiment."
)


def start(directory: pathlib.Path, *arguments: str) -> subprocess.Popen:
    """Starts the recipe.

    Args:
        directory: its run directory.
        *arguments: flags after the recipe's.
    """
    command = [
        sys.executable,
        "main.py",
        f"--flagfile={_RECIPE.value}",
        f"--model_dir={directory.absolute()}",
        *arguments,
    ]
    return subprocess.Popen(command, cwd=ROOT)


def finish(process: subprocess.Popen) -> None:
    """Waits for the end.

    Raises:
        RuntimeError: the process failed.
    """
    if process.wait():
        raise RuntimeError(f"main.py ended with code {process.returncode}.")
