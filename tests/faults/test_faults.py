"""Training survives what happens to machines.

Trains tiny models through main.py, does something to them, gives the same
command again, and compares the end with that of a run to which nothing
happened. FAULT_KILLS in the environment says how often to kill (3 times unless
given; then self-training is killed, too), FAULT_SEED chooses the moments.
"""

import contextlib
import itertools
import os
import pathlib
import random
import re
import subprocess
import time

import pytest

from noisy_student import preemption
from noisy_student.files import metrics_file, writing
from tests.faults import traces
from tests.faults.runs import (
    INTERVAL,
    Life,
    Process,
    Run,
    check_same_end,
    check_went_on,
    error_line,
)
from tests.scripts import TINY
from tools.benchmarks import local_cluster

pytestmark = pytest.mark.slow

_KILLS = int(os.environ.get("FAULT_KILLS", "3"))
_SEED = int(os.environ.get("FAULT_SEED", "0"))

_STEPS = 200
# More than most of the killed processes take, so that there is work for all.
_STEPS_PER_KILL = 70
_WORKER_STEPS = 100
_MOMENTS = ("saving", "training", "starting", "saving")

_INPUT_ERROR = 2
_LOST_WORKER_SECONDS = 120.0
_DATA = "data-00000-of-00001"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Run:
    """A run to which nothing happens."""
    run = Run(tmp_path_factory.mktemp("whole") / "run", _STEPS)
    run.train()
    return run


def test_kills_at_random_moments(tmp_path):
    """Kills while saving, training and starting, and at last near the end."""
    generator = random.Random(_SEED)
    num_steps = _STEPS + _STEPS_PER_KILL * _KILLS
    whole = Run(tmp_path / "whole", num_steps)
    start_seconds = whole.train()
    run = Run(tmp_path / "killed", num_steps)
    moments = [*itertools.islice(itertools.cycle(_MOMENTS), _KILLS - 1), "end"]
    for number, moment in enumerate(moments, 1):
        life = _kill(run, moment, start_seconds, generator)
        print(f"kill {number}, {moment}: {life}")
        assert life.killed and life.goes_on() and not life.is_fresh_start()
    check_went_on_or_ended(run.finish())
    check_same_end(run, whole)
    assert traces.joins(run.curve(), whole.curve())


def check_went_on_or_ended(life: Life) -> None:
    """Of a process that may find nothing left to train."""
    assert life.code == 0, life.stderr
    assert life.goes_on() and not life.is_fresh_start(), life


def _kill(
    run: Run, moment: str, start_seconds: float, generator: random.Random
) -> Life:
    """Gives the command and kills it; `start_seconds` is to the training."""
    with run.life() as life:
        process = run.start()
        alive = _wait_for(moment, process, run, start_seconds, generator)
        life.killed = alive and not process.has_ended()
        process.kill()
    life.half_saved = traces.is_saving(run.directory, process.started)
    return life


def _wait_for(
    moment: str,
    process: Process,
    run: Run,
    start_seconds: float,
    generator: random.Random,
) -> bool:
    """Waits for a moment; returns False if the process ends before."""
    if moment == "starting":
        return process.sleep(generator.uniform(0, start_seconds))
    step = run.num_steps
    if moment != "end":
        saved = traces.last_saved(run.directory)
        step = min(step, saved + INTERVAL * generator.randint(1, 5))
    alive = process.wait_until(lambda: traces.last_saved(run.directory) >= step)
    if moment == "saving":
        alive = alive and process.wait_until(
            lambda: traces.is_saving(run.directory, process.started)
        )
        # At once, or when the index is there and old ones are removed.
        return alive and process.sleep(generator.choice([0, 0, 0, 0.005]))
    return alive and process.sleep(generator.uniform(0, 0.4))


@pytest.mark.skipif(
    "FAULT_KILLS" not in os.environ,
    reason="tests/test_main.py kills at each stage; FAULT_KILLS=6 anywhere",
)
def test_self_training_killed_at_random_moments(tmp_path):
    """Any stage: training, labelling, filtering."""
    arguments = [
        *TINY,
        "--train_steps=60",
        "--teacher_train_steps=60",
        f"--save_checkpoints_steps={INTERVAL}",
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = Process([*arguments, f"--model_dir={whole}"])
    assert process.finish() == 0, process.stderr()
    seconds = time.time() - process.started

    generator = random.Random(_SEED)
    command = [*arguments, f"--model_dir={killed}"]
    kills = 0
    for _ in range(max(2, _KILLS // 2)):
        process = Process(command)
        kills += process.sleep(generator.uniform(0, 0.6 * seconds))
        process.kill()
    assert kills > 0
    process = Process(command)
    assert process.finish() == 0, process.stderr()
    assert _final_state(killed) == _final_state(whole)


def _final_state(directory: pathlib.Path) -> list[tuple]:
    """Generations, the steps of their last evaluations, and accuracies."""
    rows = writing.read_json(directory / "results.json")["generations"]
    state = []
    for row in rows:
        folder = directory / f"generation_{row['generation']:02d}"
        step = metrics_file.read(folder)[-1]["step"]
        state.append((row["generation"], step, row["top_1_accuracy"]))
    return state


@pytest.fixture
def disk(tmp_path, whole):
    """A file system in memory, too small for the checkpoints of a run."""
    directory = tmp_path / "disk"
    directory.mkdir()
    last = traces.checkpoint(whole.directory, _STEPS)
    size = last.with_name(f"{last.name}.{_DATA}").stat().st_size
    try:
        # A few checkpoints fit, but not as many as are kept.
        _mount(f"size={7 * size // 2}", directory)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        pytest.skip(f"no disk to fill: {why.strip()}")
    yield directory
    # Lazily: where something went wrong, a process may still be there.
    subprocess.run(["umount", "-l", str(directory)], check=True)


def _mount(options: str, directory: pathlib.Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def test_a_disk_full_of_checkpoints(disk, whole):
    run = Run(disk / "saving", _STEPS)
    check_full(run, run.finish())
    _mount("remount,size=64m", disk)
    check_went_on(run.finish())
    check_same_end(run, whole)


def test_a_disk_that_is_full_while_logging(disk, whole):
    """Filled after a checkpoint, long before the next."""
    # Checkpoints so rare that a page of events is full before.
    every = f"--save_checkpoints_steps={_STEPS // 2}"
    run = Run(disk / "logging", _STEPS, (every,))
    filler = disk / "filler"
    with run.life() as life:
        process = run.start()
        process.wait_until(lambda: traces.last_saved(run.directory) > 0)
        with contextlib.suppress(OSError), open(filler, "wb", 0) as file:
            while file.write(bytes(2**12)):
                pass
        life.end(process)
    check_full(run, life)
    filler.unlink()
    check_went_on(run.finish())
    check_same_end(run, whole)


def check_full(run: Run, life: Life) -> None:
    """One error that names a path, and checkpoints that can be read."""
    assert life.code == _INPUT_ERROR, life.stderr
    error = error_line(life.stderr)
    assert error and f"error: {run.directory}" in error, life.stderr
    steps = traces.saved_steps(run.directory)
    assert steps
    for step in steps:
        assert traces.is_whole(traces.checkpoint(run.directory, step)), step


@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_a_lost_worker(victim, tmp_path):
    """The one that is left ends in time, and both go on when started again."""
    run = Run(tmp_path / "run", _WORKER_STEPS, ("--distribution=multi_worker",))
    environments = local_cluster.environments()
    processes = [run.start(environment) for environment in environments]
    other = processes[1 - victim]
    other.wait_until(lambda: traces.last_saved(run.directory) >= 2 * INTERVAL)
    processes[victim].kill()
    code = other.finish(_LOST_WORKER_SECONDS)
    assert code == preemption.EXIT_CODE, other.stderr()
    assert error_line(other.stderr()), other.stderr()

    with run.life() as life:
        processes = [run.start(environment) for environment in environments]
        codes = [process.finish() for process in processes]
    assert codes == [0, 0], [process.stderr() for process in processes]
    assert run.last_step() == _WORKER_STEPS
    assert life.newest is not None and life.first_logged is not None
    assert life.goes_on(), life


def test_sigterm_in_the_midst_of_training(whole, tmp_path):
    run = Run(tmp_path / "run", _STEPS)
    with run.life() as life:
        process = run.start()
        process.wait_until(
            lambda: traces.last_saved(run.directory) >= 2 * INTERVAL
        )
        process.sleep(random.Random(_SEED).uniform(0, 0.5))
        process.terminate()
        life.end(process)
    assert life.code == preemption.EXIT_CODE, life.stderr
    assert "Traceback" not in life.stderr
    told = re.search(r"^Stopped by SIGTERM at step (\d+),", life.stderr, re.M)
    assert told, life.stderr
    saved = traces.newest_whole(run.directory)
    assert int(told[1]) == saved == life.last_logged

    # The curve goes on, though not to the very same weights: how many steps a
    # call on the device takes changes the rounding, which grows.
    life = run.finish()
    check_went_on(life)
    assert run.last_step() == _STEPS
    # The first point is the mean over fewer steps.
    window = range(life.first_logged + 1, life.first_logged + 3 * INTERVAL + 1)
    pieces, expected = (
        [point for point in one.curve() if point[0] in window]
        for one in (run, whole)
    )
    assert expected and traces.joins(pieces, expected)
