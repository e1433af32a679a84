"""How scripts start."""

import os
import subprocess
import sys

import pytest

from noisy_student import startup
from tests.scripts import ROOT


def test_nothing_but_the_line_of_devices_is_said_at_the_start():
    code = (
        "from noisy_student import startup; startup.import_tensorflow(); "
        "from noisy_student.config import RunConfig; "
        "from noisy_student.training import distribution as d; "
        "import tensorflow as tf; "
        "d.make_devices(RunConfig()).strategy.run(lambda: tf.constant(1))"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TF_")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("Devices: ")


def test_what_is_kept_is_shown_after_a_failure(capfd):
    with startup._standard_error_kept():
        os.write(2, b"a note\n")
    assert not capfd.readouterr().err
    with pytest.raises(OSError), startup._standard_error_kept():
        os.write(2, b"why it fails\n")
        raise OSError
    assert capfd.readouterr().err == "why it fails\n"
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"
