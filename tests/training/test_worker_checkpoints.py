"""Two workers' checkpoints, the workers taking turns in one process."""

import dataclasses
import functools
import threading
import time

import pytest
import tensorflow as tf

from noisy_student.errors import InputError
from noisy_student.training import checkpoints, distribution


@dataclasses.dataclass
class Meeting:
    """Where two threads tell each other a number."""

    barrier: threading.Barrier = dataclasses.field(
        default_factory=lambda: threading.Barrier(2, timeout=30)
    )
    values: dict[int, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Devices:
    """What the checkpoints use of `distribution.Devices`."""

    worker: int
    meeting: Meeting
    num_workers: int = 2

    @property
    def is_chief(self):
        return self.worker == 0

    def _exchange(self, value):
        self.meeting.values[self.worker] = value
        self.meeting.barrier.wait()
        values = dict(self.meeting.values)
        self.meeting.barrier.wait()
        return values

    def agree(self, value):
        return self._exchange(value)[0]

    def holds_on_all(self, value):
        return all(self._exchange(value).values())

    def wait_for_all(self):
        self.agree(0)

    failing_together = distribution.Devices.failing_together


def together(*functions):
    """Runs a function a worker at the same time; returns their results."""
    results = {}

    def keep(worker, function):
        try:
            results[worker] = function()
        except Exception as error:
            results[worker] = error

    threads = [
        threading.Thread(target=keep, args=item)
        for item in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[worker] for worker in range(len(functions))]


class Worker:
    """A worker's checkpoints, of one shared number and one of its own."""

    def __init__(self, directory, number, meeting, keep=2):
        self.shared, self.own = tf.Variable(0.0), tf.Variable(0.0)
        self.number = number
        self.kept = checkpoints.WorkerCheckpoints(
            directory,
            keep,
            Devices(number, meeting),
            {"value": self.shared},
            {"value": self.own},
        )

    def save(self, step):
        self.shared.assign(float(step))
        self.own.assign(10.0 * step + self.number)
        self.kept.save(step)

    def values(self):
        return float(self.shared), float(self.own)


@pytest.fixture
def workers(tmp_path):
    meeting = Meeting()
    return [Worker(tmp_path, number, meeting) for number in range(2)]


def save(workers, *steps):
    for step in steps:
        together(*(functools.partial(w.save, step) for w in workers))
    for worker in workers:
        worker.shared.assign(-1.0)
        worker.own.assign(-1.0)


def restore(workers):
    return together(*(worker.kept.restore_newest for worker in workers))


def test_each_worker_has_its_own_state_back(workers, tmp_path):
    assert restore(workers) == [None, None]
    save(workers, 1, 2, 3)
    assert restore(workers) == [3, 3]
    assert [w.values() for w in workers] == [(3, 30), (3, 31)]
    assert [w.kept.current for w in workers] == [3, 3]
    for directory in (tmp_path, tmp_path / "worker_0", tmp_path / "worker_1"):
        names = sorted(path.stem for path in directory.glob("*.index"))
        assert names == ["ckpt-2", "ckpt-3"]


def test_one_that_a_worker_cannot_read_is_passed_over_by_all(workers, tmp_path):
    save(workers, 1, 2, 3)
    (tmp_path / "worker_1/ckpt-3.index").write_bytes(b"")
    assert restore(workers) == [2, 2]
    assert [w.kept.current for w in workers] == [2, 2]
    assert [w.values() for w in workers] == [(2, 20), (2, 21)]


def test_a_kill_before_the_chief_has_saved_loses_nothing(
    workers, tmp_path, monkeypatch
):
    """Even where one checkpoint alone stays."""
    meeting = Meeting()
    workers = [Worker(tmp_path, n, meeting, keep=1) for n in range(2)]
    save(workers, 1)
    # Both have written their own of step 2, the chief not the shared one.
    for worker in workers:
        worker.own.assign(-2.0)
        worker.kept._worker.write(2)
    assert restore(workers) == [1, 1]
    assert [w.values() for w in workers] == [(1, 10), (1, 11)]


def test_what_a_kill_left_alone_costs_no_other_checkpoint(workers, tmp_path):
    save(workers, 1, 2)
    for worker in workers:
        worker.kept._worker.write(3)
    assert restore(workers) == [2, 2]
    save(workers, 4)
    for directory in (tmp_path, tmp_path / "worker_0", tmp_path / "worker_1"):
        names = sorted(path.stem for path in directory.glob("*.index"))
        assert names == ["ckpt-2", "ckpt-4"]
    (tmp_path / "ckpt-4.index").write_bytes(b"")
    assert restore(workers) == [2, 2]


@pytest.mark.parametrize("slow", [0, 1])
def test_the_chief_saves_when_all_have_saved_their_own(
    workers, tmp_path, slow, monkeypatch
):
    write = workers[slow].kept._worker.write

    def late(step):
        time.sleep(0.3)
        assert not (tmp_path / f"ckpt-{step}.index").exists()
        write(step)

    monkeypatch.setattr(workers[slow].kept._worker, "write", late)
    results = together(*(functools.partial(w.save, 1) for w in workers))
    assert results == [None, None]
    for name in ("worker_0/ckpt-1", "worker_1/ckpt-1", "ckpt-1"):
        assert (tmp_path / f"{name}.index").exists()


@pytest.mark.parametrize(
    ("failing", "kind"), [(0, "_shared"), (0, "_worker"), (1, "_worker")]
)
def test_where_one_worker_cannot_write_both_end(
    workers, monkeypatch, failing, kind
):
    save(workers, 1)

    def full(step):
        raise InputError("No space left")

    monkeypatch.setattr(getattr(workers[failing].kept, kind), "write", full)
    results = together(*(functools.partial(w.save, 2) for w in workers))
    assert str(results[failing]) == "No space left"
    assert isinstance(results[1 - failing], InputError)
    assert "another one has failed" in str(results[1 - failing])
    assert restore(workers) == [1, 1]


def test_own_ones_go_when_the_chief_has_saved(workers, tmp_path, monkeypatch):
    save(workers, 1, 2)
    shared = workers[0].kept._shared
    write = shared.write

    def late(step):
        time.sleep(0.3)
        # None is removed yet, of what the shared ones need.
        assert (tmp_path / "worker_1/ckpt-1.index").exists()
        write(step)

    monkeypatch.setattr(shared, "write", late)
    results = together(*(functools.partial(w.save, 3) for w in workers))
    assert results == [None, None]
    assert not (tmp_path / "worker_1/ckpt-1.index").exists()


def test_without_one_that_all_can_read_nothing_begins_anew(workers, tmp_path):
    save(workers, 1)
    (tmp_path / "worker_0/ckpt-1.index").write_bytes(b"")
    chief = workers[0].kept
    assert not chief._restore_rest(1)
    with pytest.raises(InputError, match="begin anew"):
        chief._shared.restore_newest(before=1)


def test_a_model_dir_that_is_not_shared_is_named(workers, tmp_path):
    save(workers, 1)
    (tmp_path / "ckpt-1.index").unlink()
    with pytest.raises(InputError, match="that all workers share"):
        workers[1].kept._restore_rest(1)
