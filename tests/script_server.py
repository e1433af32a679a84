"""Forks processes that have TensorFlow imported when they start.

A script of ours spends seconds on that import, and the tests run a hundred.
A line of standard input is a command in JSON. It becomes a process of a group
of its own, whose number is a line of standard output, as its exit code is at
the end. What Python and TensorFlow read when they start is the server's, the
seed of strings' hashes among it: what must vary with that is not for here.
"""

import gc
import json
import os
import runpy
import sys

import keras  # noqa: F401
import tensorflow  # noqa: F401


def next_command() -> dict | None:
    """Returns each command in a process of its own; None at the end."""
    # Or each would look through all of TensorFlow's objects as it ends.
    gc.freeze()
    while line := sys.stdin.readline():
        process = os.fork()
        if not process:
            return json.loads(line)
        os.setpgid(process, process)
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


def run(
    arguments: list[str],
    directory: str,
    stdout: str,
    stderr: str,
    environment: dict[str, str],
) -> None:
    """Does what `python *ARGUMENTS` does in a directory."""
    os.chdir(directory)
    for stream, path in enumerate((os.devnull, stdout, stderr)):
        os.dup2(os.open(path, os.O_RDWR), stream)
    os.environ.clear()
    os.environ.update(environment)
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = filter(None, paths)
    if arguments[0] == "-m":
        sys.argv, sys.path[0] = arguments[1:], os.getcwd()
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv, sys.path[0] = arguments[:1] + arguments[2:], ""
        exec(arguments[1], {"__name__": "__main__"})
    else:
        sys.argv = arguments
        sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__" and (command := next_command()):
    run(**command)
