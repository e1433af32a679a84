"""Runs a command in several worker processes on this machine."""

import os
import subprocess
import sys

from tests.scripts import ROOT
from tools.benchmarks import local_cluster


def start(*arguments):
    """Starts `python ARGUMENTS` as each of two workers."""
    return [
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in local_cluster.environments()
    ]


def ends(processes, timeout=480):
    """Return codes, outputs and errors."""
    try:
        texts = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    codes = [process.returncode for process in processes]
    return codes, [out for out, _ in texts], [err for _, err in texts]


def run(*arguments):
    """What `ends` returns of a command that ends by itself."""
    return ends(start(*arguments))
