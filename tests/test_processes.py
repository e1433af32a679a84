"""Calls keep their order, few are read ahead, and processes end."""

import multiprocessing
import os
import signal
import time

import pytest

from noisy_student import processes
from noisy_student.errors import InputError


@pytest.fixture(scope="module")
def workers():
    with processes.Workers(2) as started:
        yield started


def sleep_for(seconds, answer):
    time.sleep(seconds)
    return answer, os.getpid()


def fail(number):
    raise KeyError(number)


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_order_from_several_processes(workers):
    calls = ((0.05 * (number % 3 == 0), number) for number in range(20))
    answers, ids = zip(*workers.map(sleep_for, calls), strict=True)
    assert answers == tuple(range(20))
    assert len({*ids}) == 2
    assert os.getpid() not in ids


def test_few_calls_are_read_ahead(workers):
    read = []

    def calls():
        for number in range(100):
            read.append(number)
            yield 0, number

    results = workers.map(sleep_for, calls())
    assert read == []
    for number in range(5):
        next(results)
        assert len(read) <= number + 6


def test_an_error_of_a_function_is_raised_as_it_is(workers):
    with pytest.raises(KeyError, match="7"):
        list(workers.map(fail, [(7,)]))
    assert next(workers.map(sleep_for, [(0, 1)]))[0] == 1


@pytest.mark.parametrize("error", [None, KeyError, SystemExit])
def test_processes_end_with_the_context(error):
    before = {*multiprocessing.active_children()}
    try:
        with processes.Workers(2) as started:
            results = started.map(sleep_for, [(0.05, n) for n in range(30)])
            next(results)
            inside = {*multiprocessing.active_children()} - before
            if error is not None:
                raise error
    except (KeyError, SystemExit):
        pass
    assert len(inside) == 2
    assert not any(process.is_alive() for process in inside)


def test_a_killed_process_is_said():
    with (
        processes.Workers(1) as started,
        pytest.raises(InputError, match="processes that die ran in was killed"),
    ):
        list(started.map(die, [(0,)]))
