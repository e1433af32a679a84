import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from noisy_student import preemption
from tests.scripts import ROOT


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_work_stops_at_once():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(preemption.Preempted) as caught, preemption.watched():
        terminate()
        time.sleep(10)
        raise AssertionError
    assert caught.value.code == 75
    assert "the same command goes on" in caught.value.message
    assert signal.getsignal(signal.SIGTERM) is before


def test_held_work_is_told_and_goes_on():
    told = threading.Event()
    done = []
    with pytest.raises(preemption.Preempted), preemption.watched():
        with preemption.held(told.set):
            assert not preemption.is_requested()
            terminate()
            assert told.wait(10)
            assert preemption.is_requested()
            done.append("saved")
        done.append("too far")
    assert done == ["saved"]


def test_what_begins_after_the_signal_is_told_too():
    told = threading.Event()
    with (
        pytest.raises(preemption.Preempted),
        preemption.watched(),
        preemption.held(lambda: None),
    ):
        terminate()
        assert preemption.is_requested()
        with preemption.held(told.set):
            assert told.is_set()


def test_the_next_work_begins_anew():
    with pytest.raises(preemption.Preempted), preemption.watched():
        terminate()
        time.sleep(10)
    with preemption.watched():
        assert not preemption.is_requested()


BLOCKED = """
import sys, tensorflow as tf
from noisy_student import preemption
with preemption.watched():
    print("ready", flush=True)
    tf.queue.FIFOQueue(1, tf.int32).dequeue()  # never comes back to Python
"""


@pytest.mark.slow
def test_a_wait_inside_of_tensorflow_ends_too():
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.terminate()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 75
    assert "the same command goes on" in errors
