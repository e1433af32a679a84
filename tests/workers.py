"""Runs a command in several worker processes on this machine."""

import os
import subprocess
import sys

from tests.scripts import ROOT
from tools.benchmarks import local_cluster


def run(*arguments, timeout=240):
    """Return codes, outputs and errors of two workers."""
    processes = [
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
    try:
        ends = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    codes = [process.returncode for process in processes]
    return codes, [out for out, _ in ends], [err for _, err in ends]
