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
from noisy_student.pseudo_labels import filter as filtering
from tests.pseudo_labels.made import (
    PROBABILITIES,
    contents,
    make_data,
    make_source,
    read_records,
    run,
    write_predictions,
)
from tests.scripts import ROOT

CONFIG = PseudoLabelConfig(num_image=60, min_threshold=0.5, num_shards=3)


def plan(tmp_path, config=CONFIG, out="out"):
    division = pseudo_labels.Division.of(config)
    files = write_predictions(
        tmp_path / f"p{division.total_replicas}",
        division.num_shards,
        workers=division.total_replicas,
    )
    return filtering.plan(make_data(), files, tmp_path / out, config, seed=1)


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_keeps_the_same(tmp_path, workers):
    one = run(tmp_path / "1", num_shards=3)
    many = run(tmp_path / "2", num_shards=3, workers=workers)
    assert contents(tmp_path / "1/out") == contents(tmp_path / "2/out")
    assert many.records_per_class == one.records_per_class
    names = {path.name for path in (tmp_path / "2/out/data").iterdir()}
    assert "train-1-00002-of-00003" in names and len(names) == 3 * workers


def test_tasks_in_any_order_keep_the_same(tmp_path):
    filtering.filter_and_balance(
        make_data(), plan(tmp_path).files, tmp_path / "whole", CONFIG, 1
    )
    job = plan(tmp_path)
    parts = job.files.division.parts()
    for part in (parts[2], parts[0]):
        filtering.count_parts(job, [part])
    with pytest.raises(InputError, match=r"those of 1 are missing.*only_get"):
        filtering.write_parts(job, make_data(), [parts[0]])
    assert not (tmp_path / "out/data").exists()
    filtering.count_parts(job, [parts[1]])
    for part in reversed(parts):
        assert part in filtering.missing_parts(job)
        filtering.write_parts(job, make_data(), [part])
    filtering.finish(job)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_counts_of_another_teacher_are_not_used(tmp_path):
    job = plan(tmp_path)
    filtering.count_parts(job, job.files.division.parts())
    assert filtering.uncounted_parts(job) == []
    other = dataclasses.replace(
        job, made_from=job.made_from | {"teacher": "other"}
    )
    assert len(filtering.uncounted_parts(other)) == 3


def test_counts_serve_other_settings(tmp_path):
    filtering.count_parts(plan(tmp_path), plan(tmp_path).files.division.parts())
    config = dataclasses.replace(CONFIG, num_image=10)
    assert filtering.uncounted_parts(plan(tmp_path, config)) == []


def test_some_kept_images_of_each_class_are_saved(tmp_path):
    run(tmp_path, samples_per_class=5)
    kept = {number for number, *_ in read_records(tmp_path / "out")}
    labels = PROBABILITIES.argmax(axis=1)
    for label in range(3):
        paths = list((tmp_path / f"out/samples/{label}").iterdir())
        assert 1 <= len(paths) <= 15
        for path in paths:
            number = int(path.read_bytes().split()[1])
            assert number in kept and labels[number] == label
            _, shard, place, probability = path.name.split("_")
            assert number == int(shard) + 2 * int(place)
            top = PROBABILITIES[number].max()
            assert float(probability) == pytest.approx(top, abs=0.006)


def test_no_samples_are_saved_where_none_are_wanted(tmp_path):
    run(tmp_path, samples_per_class=0)
    assert not (tmp_path / "out/samples").exists()


def test_predictions_that_end_early_are_an_error(tmp_path):
    job = plan(tmp_path)
    filtering.count_parts(job, job.files.division.parts())
    with pytest.raises(InputError, match="another number of predictions"):
        filtering.write_parts(
            job, make_data(make_source(240)), job.files.division.parts()
        )
    assert list((tmp_path / "out/data").iterdir()) == []


SCRIPT = """
import pathlib, resource, signal, sys, time
from noisy_student.data import records
from noisy_student.pseudo_labels import beam
from noisy_student.pseudo_labels import filter as filtering
from tests.pseudo_labels import test_phases as these

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
filtering.filter_and_balance(
    these.make_data(), job.files, job.output_dir, these.CONFIG, 1
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


@pytest.mark.parametrize(("slow", "busy"), [("counts", 2), ("writes", 60)])
def test_killed_in_either_phase_it_ends_with_the_same_bytes(
    tmp_path, slow, busy
):
    filtering.filter_and_balance(
        make_data(), plan(tmp_path).files, tmp_path / "whole", CONFIG, 1
    )
    process = start(tmp_path, slow=slow)
    for _ in range(busy + 1):
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out/stats.json").exists()
    filtering.filter_and_balance(
        make_data(), plan(tmp_path).files, tmp_path / "out", CONFIG, 1
    )
    assert read_files(tmp_path / "out") == read_files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("limit", "file"), [(300, "counts-00000"), (4096, "train-00000")]
)
def test_a_full_disk_leaves_no_shard_that_seems_whole(tmp_path, limit, file):
    process = start(tmp_path, limit=limit)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    [error] = [line for line in errors.split("\n") if "InputError: " in line]
    assert "cannot be written" in error and f"/{file}" in error
    assert read_files(tmp_path / "out") == {}
    stats = filtering.filter_and_balance(
        make_data(), plan(tmp_path).files, tmp_path / "out", CONFIG, 1
    )
    assert stats.records == sum(contents(tmp_path / "out").values())


def test_a_runner_without_beam_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements-beam"):
        beam.check("DirectRunner", ())


def test_a_task_needs_only_its_own_predictions_to_count(tmp_path):
    files = plan(tmp_path).files
    files.info(pseudo_labels.Part(1, 0)).unlink()
    with pytest.raises(ValueError, match="of the shards 1 of 3 are missing"):
        plan_of(files, tmp_path)
    job = plan_of(files, tmp_path, parts=[pseudo_labels.Part(2, 0)])
    filtering.count_parts(job, [pseudo_labels.Part(2, 0)])
    with pytest.raises(ValueError, match="of the shards 1 of 3 are missing"):
        plan_of(files, tmp_path, parts=[pseudo_labels.Part(1, 0)])


def plan_of(files, tmp_path, config=CONFIG, **options):
    return filtering.plan(
        make_data(), files, tmp_path / "out", config, seed=1, **options
    )


def test_counts_and_predictions_of_another_division_are_not_taken(tmp_path):
    job = plan(tmp_path)
    filtering.count_parts(job, job.files.division.parts())
    two = dataclasses.replace(CONFIG, total_replicas=2)
    other = plan(tmp_path, two)
    assert other.counts_file(pseudo_labels.Part(0, 0)).exists()
    assert len(filtering.uncounted_parts(other)) == 6
    files = dataclasses.replace(
        job.files, division=pseudo_labels.Division.of(two)
    )
    with pytest.raises(InputError, match="total_replicas=1 there and 2 here"):
        files.check_made_from({"teacher": "abc"})


@pytest.mark.parametrize("fault", ["cut", "missing"])
def test_records_that_are_not_what_was_written_are_refused(tmp_path, fault):
    run(tmp_path)
    path = tmp_path / "out/data/train-00001-of-00002"
    whole = path.read_bytes()
    if fault == "cut":
        path.write_bytes(whole[: len(whole) // 2])
        message = f"{path} has {len(whole) // 2} bytes .* record at byte "
    else:
        path.unlink()
        message = f"{path} is missing"
    with pytest.raises(ValueError, match=message):
        pseudo_labels.record_paths(tmp_path / "out")
    (tmp_path / "out/stats.json").unlink()
    run(tmp_path)
    assert path.read_bytes() == whole


def test_damaged_prediction_directories_are_named(tmp_path):
    files = plan(tmp_path).files
    part = pseudo_labels.Part(1, 0)
    for text in ("", "{}", "[]"):
        files.info(part).write_text(text)
        with pytest.raises(InputError, match=f"{files.info(part)} is not what"):
            plan_of(files, tmp_path)
    files.predictions(part).unlink()
    with pytest.raises(ValueError, match="of the shards 1 of 3 are missing"):
        plan_of(files, tmp_path)
