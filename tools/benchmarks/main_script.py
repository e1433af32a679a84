"""Starts main.py in a process of its own."""

import pathlib
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]


def start(*arguments: str, **options: Any) -> subprocess.Popen:
    """Starts it in the project's directory.

    Args:
        *arguments: its flags.
        **options: of `subprocess.Popen`.
    """
    command = [sys.executable, "main.py", *arguments]
    return subprocess.Popen(command, cwd=ROOT, **options)
