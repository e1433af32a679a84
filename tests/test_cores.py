import os

import pytest

from noisy_student import cores
from noisy_student.config import InputConfig
from noisy_student.config.tools import MakeSettings
from noisy_student.data import batching


def test_they_are_those_that_this_process_may_run_on():
    allowed = os.sched_getaffinity(0)
    assert cores.available() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores.available() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_system_without_affinity_has_all_of_them(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    assert cores.available() == 96


@pytest.mark.parametrize("number", [2, 96])
def test_a_pipelines_threads_are_as_many(number, monkeypatch):
    """Not 16 at most, as without tuning `AUTOTUNE` is."""
    monkeypatch.setattr(cores, "available", lambda: number)
    assert batching.num_threads(InputConfig()) == number
    assert batching.num_threads(None) == number
    assert batching.num_threads(InputConfig(num_parallel_calls=3)) == 3


def test_records_are_made_by_as_many_processes(monkeypatch):
    monkeypatch.setattr(cores, "available", lambda: 7)
    settings = {"input_dir": "images", "output_dir": "records"}
    assert MakeSettings(**settings).num_workers == 7
    assert MakeSettings(**settings, num_workers=3).num_workers == 3
