"""Runs scripts as users do, each in a process forked for it."""

import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).parents[1]

# A teacher and a student, as small as they go.
TINY = [
    "--mode=self_train",
    "--task_name=digits",
    "--input_image_size=8",
    "--num_iterations=1",
    "--width_coefficient=0.1",
    "--depth_coefficient=0.1",
    "--train_batch_size=10",
    "--unlabel_ratio=2",
    "--train_steps=6",
    "--warmup_epochs=0",
    "--teacher_softmax_temp=1",
    "--moving_average_decay=0.5",
    "--num_image=20",
    "--num_shards=2",
    "--save_checkpoints_steps=3",
    "--iterations_per_loop=2",
]


@functools.cache
def _server():
    """One for all tests of a process; it ends with them."""
    return subprocess.Popen(
        [sys.executable, "tests/script_server.py"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A script that imports no TensorFlow would not print its errors, such
        # as that there is no GPU; one that does loses them, too.
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def python(*arguments, timeout=240, **environment):
    """Runs `python *ARGUMENTS` in the project's directory.

    Args:
        *arguments: a script or `-m` and a module, and what it is told.
        timeout: seconds.
        **environment: variables added to this process's.
    """
    arguments = [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        streams = {}
        for name in ("stdout", "stderr"):
            streams[name] = pathlib.Path(folder) / name
            streams[name].touch()
        command = {
            "arguments": arguments,
            "environment": os.environ | environment,
        }
        line = json.dumps(command | streams, default=str)
        code, expired = _exit_code(line, timeout)
        texts = [path.read_text() for path in streams.values()]
    if expired:
        raise subprocess.TimeoutExpired(arguments, timeout, *texts)
    return subprocess.CompletedProcess(arguments, code, *texts)


def _exit_code(command, timeout):
    """A command's, and whether it was killed for its time."""
    server, expired = _server(), threading.Event()
    print(command, file=server.stdin, flush=True)
    process = int(server.stdout.readline())

    def expire():
        expired.set()
        os.killpg(process, signal.SIGKILL)

    timer = threading.Timer(timeout, expire)
    timer.start()
    try:
        return int(server.stdout.readline()), expired.is_set()
    except BaseException:
        os.killpg(process, signal.SIGKILL)
        server.kill()
        _server.cache_clear()
        raise
    finally:
        timer.cancel()


def run(*arguments, **options):
    """Runs main.py; options are `python`'s."""
    return python("main.py", *arguments, **options)


def error_of(process):
    """The one line with which a script ends that was told wrong."""
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    lines = process.stderr.split("\n")
    [error] = (line for line in lines if line.startswith("error: "))
    return error
