"""Two phases, by any workers, in any order, killed or not: the same records."""

import dataclasses
import os
import signal
import subprocess
import sys

import pytest

from noisy_student import pseudo_labels
from noisy_student.config import PseudoLabelConfig
from noisy_student.errors import InputError
from noisy_student.pseudo_labels import beam
from tests.pseudo_labels.made import (
    contents,
    make_data,
    make_source,
    run,
    write_predictions,
)
from tests.scripts import ROOT

CONFIG = PseudoLabelConfig(num_image=60, min_threshold=0.5, num_shards=3)


def plan(tmp_path, config=CONFIG, out="out"):
    workers = config.total_replicas
    files = write_predictions(
        tmp_path / f"p{workers}", config.num_shards, workers=workers
    )
    return plan_of(files, tmp_path, config, out)


def plan_of(files, tmp_path, config=CONFIG, out="out", **options):
    files = pseudo_labels.LabelFiles(files, tmp_path / out)
    return pseudo_labels.FilterJob(
        make_data(), files, config, seed=1, **options
    )


def write(job, shares, source=None):
    balance = job.choose()
    job.write(shares, source or make_source(), balance)


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_keeps_the_same(tmp_path, workers):
    one = run(tmp_path / "1", num_shards=3)
    many = run(tmp_path / "2", num_shards=3, workers=workers)
    assert contents(tmp_path / "1/out") == contents(tmp_path / "2/out")
    assert many.records_per_class == one.records_per_class
    names = {path.name for path in (tmp_path / "2/out/data").iterdir()}
    assert "train-1-00002-of-00003" in names and len(names) == 3 * workers


def test_tasks_in_any_order_keep_the_same(tmp_path):
    pseudo_labels.filter_and_balance(
        make_data(), plan(tmp_path).predictions, tmp_path / "whole", CONFIG, 1
    )
    job = plan(tmp_path)
    shares = job.predictions.shares()
    for share in (shares[2], shares[0]):
        job.counts.of([share])
    with pytest.raises(InputError, match=r"those of 1 are missing.*only_get"):
        write(job, [shares[0]])
    assert not (tmp_path / "out/data").exists()
    job.counts.of([shares[1]])
    for share in reversed(shares):
        assert share in job.unwritten()
        write(job, [share])
    job.finish()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_counts_of_another_teacher_are_not_used(tmp_path):
    job = plan(tmp_path)
    job.counts.of(job.predictions.shares())
    assert job.counts.missing() == []
    other = plan(tmp_path)
    other.counts.stamp["teacher"] = "other"
    assert len(other.counts.missing()) == 3


def test_counts_serve_other_settings(tmp_path):
    job = plan(tmp_path)
    job.counts.of(job.predictions.shares())
    config = dataclasses.replace(CONFIG, num_image=10)
    assert plan(tmp_path, config).counts.missing() == []


def test_predictions_that_end_early_are_an_error(tmp_path):
    job = plan(tmp_path)
    job.counts.of(job.predictions.shares())
    with pytest.raises(InputError, match="another number of predictions"):
        write(job, job.predictions.shares(), make_source(240))
    assert list((tmp_path / "out/data").iterdir()) == []


SCRIPT = """
import pathlib, resource, signal, sys, time
from noisy_student import pseudo_labels
from noisy_student.data import records
from tests.pseudo_labels import test_filter_tasks as these

directory, limit, slow = sys.argv[1:]
if slow == "counts":
    original = records.read_predictions
    def read(*arguments):
        for rows in original(*arguments):
            print("busy", flush=True)
            time.sleep(1)
            yield rows
    records.read_predictions = read
if slow == "writes":
    encode = records.encode_pseudo_labeled
    def slowly(*arguments):
        print("busy", flush=True)
        time.sleep(0.02)
        return encode(*arguments)
    records.encode_pseudo_labeled = slowly
job = these.plan(pathlib.Path(directory))
print("planned", flush=True)
if int(limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
pseudo_labels.filter_and_balance(
    these.make_data(), job.predictions, job.files.output_dir, these.CONFIG, 1
)
"""


def start(directory, limit=0, slow="no"):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, directory, str(limit), slow],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_files(directory):
    paths = directory.glob("data/train-*")
    return {path.name: path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize(("slow", "busy"), [("counts", 2), ("writes", 60)])
def test_killed_in_either_phase_it_ends_with_the_same_bytes(
    tmp_path, slow, busy
):
    pseudo_labels.filter_and_balance(
        make_data(), plan(tmp_path).predictions, tmp_path / "whole", CONFIG, 1
    )
    process = start(tmp_path, slow=slow)
    for _ in range(busy + 1):
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out/stats.json").exists()
    pseudo_labels.filter_and_balance(
        make_data(), plan(tmp_path).predictions, tmp_path / "out", CONFIG, 1
    )
    assert read_files(tmp_path / "out") == read_files(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "file"), [(300, "counts-00000"), (4096, "train-00000")]
)
def test_a_full_disk_leaves_no_shard_that_seems_whole(tmp_path, limit, file):
    process = start(tmp_path, limit=limit)
    _, errors = process.communicate(timeout=400)
    assert process.returncode != 0
    [error] = [line for line in errors.split("\n") if "InputError: " in line]
    assert "cannot be written" in error and f"/{file}" in error
    assert read_files(tmp_path / "out") == {}
    stats = pseudo_labels.filter_and_balance(
        make_data(), plan(tmp_path).predictions, tmp_path / "out", CONFIG, 1
    )
    assert stats.records == sum(contents(tmp_path / "out").values())


def test_a_task_needs_only_its_own_predictions_to_count(tmp_path):
    files = plan(tmp_path).predictions
    files.info(pseudo_labels.Share(1, 0)).unlink()
    with pytest.raises(ValueError, match="of the shards 1 of 3 are missing"):
        plan_of(files, tmp_path)
    job = plan_of(files, tmp_path, shares=[pseudo_labels.Share(2, 0)])
    job.counts.of([pseudo_labels.Share(2, 0)])
    with pytest.raises(ValueError, match="of the shards 1 of 3 are missing"):
        plan_of(files, tmp_path, shares=[pseudo_labels.Share(1, 0)])


def test_counts_and_predictions_of_another_division_are_not_taken(tmp_path):
    job = plan(tmp_path)
    job.counts.of(job.predictions.shares())
    two = dataclasses.replace(CONFIG, total_replicas=2)
    other = plan(tmp_path, two)
    assert other.files.counts(pseudo_labels.Share(0, 0)).exists()
    assert len(other.counts.missing()) == 6
    files = dataclasses.replace(job.predictions, total_replicas=2)
    with pytest.raises(InputError, match="total_replicas=1 there and 2 here"):
        files.check_made_from({"teacher": "abc"})


def test_a_runner_without_beam_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements-beam"):
        beam.check("DirectRunner", ())


def test_damaged_prediction_directories_are_named(tmp_path):
    files = plan(tmp_path).predictions
    share = pseudo_labels.Share(1, 0)
    for text in ("", "{}", "[]"):
        files.info(share).write_text(text)
        with pytest.raises(
            InputError, match=f"{files.info(share)} is not what"
        ):
            plan_of(files, tmp_path)
    files.predictions(share).unlink()
    with pytest.raises(ValueError, match="of the shards 1 of 3 are missing"):
        plan_of(files, tmp_path)
