"""Runs scripts as users do, each in a process forked for it."""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]

# A teacher and a student, as small as they go.
TINY = [
    "--mode=self_train",
    "--task_name=digits",
    "--input_image_size=8",
    "--num_iterations=1",
    "--model_name=tests.networks:tiny",
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
# In place of its network, where that has to be the paper's.
EFFICIENTNET = [
    "--model_name=efficientnet-b0",
    "--width_coefficient=0.1",
    "--depth_coefficient=0.1",
]


# Servers that run nothing at the moment; they end with this process.
_idle = []


def _start_server():
    return subprocess.Popen(
        [sys.executable, "tests/script_server.py"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        # A script that imports no TensorFlow would not print its errors, such
        # as that there is no GPU; one that does loses them, too.
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


class Process:
    """A process that runs `python *ARGUMENTS`, forked by a server.

    Args:
        *arguments: a script or `-m` and a module, and what it is told.
        directory: where it runs; the project's unless given.
        **environment: variables added to this process's.
    """

    def __init__(self, *arguments, directory=ROOT, **environment):
        self.arguments = [str(argument) for argument in arguments]
        self._folder = tempfile.TemporaryDirectory()
        self._streams = {}
        for name in ("stdout", "stderr"):
            self._streams[name] = pathlib.Path(self._folder.name) / name
            self._streams[name].touch()
        command = {
            "arguments": self.arguments,
            "directory": directory,
            "environment": os.environ | environment,
        }
        line = json.dumps(command | self._streams, default=str)
        self._code = None
        self._server = _idle.pop() if _idle else _start_server()
        self._server.stdin.write(f"{line}\n".encode())
        self.id = int(self._server.stdout.readline())

    def poll(self, timeout=0.0):
        """Returns the exit code; None if it runs for longer than that."""
        stdout = self._server.stdout
        if self._code is None and select.select([stdout], [], [], timeout)[0]:
            self._code = int(stdout.readline())
            _idle.append(self._server)
        return self._code

    def terminate(self):
        """Sends SIGTERM."""
        if self.poll() is None:
            os.kill(self.id, signal.SIGTERM)

    def kill(self):
        """Kills it and the processes that it has started, with -9."""
        if self.poll() is None:
            os.killpg(self.id, signal.SIGKILL)
            self.poll(None)

    def output(self, name="stdout"):
        """Returns what it has written so far, to stdout or stderr."""
        return self._streams[name].read_text(errors="replace")

    def wait(self, timeout):
        """Waits for its end, and kills it after so many seconds."""
        try:
            code = self.poll(timeout)
        finally:  # also of an interrupted test
            self.kill()
        texts = self.output(), self.output("stderr")
        if code is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout, *texts)
        return subprocess.CompletedProcess(self.arguments, code, *texts)


def python(*arguments, timeout=480, **options):
    """Runs `python *ARGUMENTS`; see `Process`."""
    return Process(*arguments, **options).wait(timeout)


def run(*arguments, **options):
    """Runs main.py; options are `python`'s."""
    return python("main.py", *arguments, **options)


def output_of(process):
    """What a script printed that ended well."""
    assert process.returncode == 0, process.stderr
    return process.stdout


def error_of(process):
    """The one line with which a script ends that was told wrong."""
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    lines = process.stderr.split("\n")
    [error] = (line for line in lines if line.startswith("error: "))
    return error
