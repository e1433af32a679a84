"""Apache Beam's runners keep what the local one keeps."""

import dataclasses
import json

import pytest

from noisy_student import pseudo_labels
from noisy_student.config import DataConfig, PseudoLabelConfig
from noisy_student.data.open import open_task
from noisy_student.errors import InputError
from noisy_student.pseudo_labels import beam
from tests.pseudo_labels.made import contents, write_digit_predictions
from tests.scripts import python

pytest.importorskip("apache_beam", reason="requirements-beam.txt adds it")

CONFIG = PseudoLabelConfig(
    num_image=90, min_threshold=0.3, num_shards=3, total_replicas=2
)
DATA = DataConfig("digits")


@pytest.fixture(scope="module")
def predictions(tmp_path_factory):
    directory = tmp_path_factory.mktemp("predictions")
    return write_digit_predictions(directory, CONFIG)


def plan(predictions, output_dir, **changes):
    data = open_task(DATA, seed=0)
    files = pseudo_labels.PredictionFiles(
        predictions,
        predictions / "info",
        CONFIG.num_shards,
        CONFIG.total_replicas,
    )
    config = PseudoLabelConfig(**(vars(CONFIG) | changes))
    files = pseudo_labels.LabelFiles(files, output_dir)
    job = pseudo_labels.FilterJob(data, files, config, seed=0)
    return data, job


@pytest.mark.slow
def test_beam_keeps_the_same_records(predictions, tmp_path):
    data, job = plan(predictions, tmp_path / "local")
    expected = pseudo_labels.filter_and_balance(
        data, job.predictions, tmp_path / "local", CONFIG, seed=0
    )
    process = python(
        "tools/filter_unlabel.py",
        "--task_name=digits",
        "--num_shards=3",
        "--total_replicas=2",
        "--num_image=90",
        "--min_threshold=0.3",
        f"--prediction_dir={predictions}",
        f"--output_dir={tmp_path}/beam",
        "--runner=DirectRunner",
    )
    assert process.returncode == 0, process.stderr
    stats = json.loads(process.stdout.strip().split("\n")[-1])
    local = dataclasses.asdict(expected)
    assert local["records"] > 800
    assert stats | {"seconds": 0} == local | {"seconds": 0}
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")
    with pytest.raises(ValueError, match="num_image=90 there and 91 here"):
        plan(predictions, tmp_path / "beam", num_image=91)


def test_finished_parts_are_not_done_again(predictions, tmp_path):
    data, job = plan(predictions, tmp_path)
    shares = job.predictions.shares()
    balance = job.choose(job.counts.of(shares))
    job.write(shares[:2], data.require_unlabeled(), balance)
    before = job.files.data(shares[0]).stat().st_mtime_ns
    beam.run(job, DATA, 0, "DirectRunner")
    assert job.files.data(shares[0]).stat().st_mtime_ns == before
    assert job.unwritten() == []


def test_unknown_runners_and_options_are_refused():
    with pytest.raises(ValueError, match="Foo"):
        beam.check("Foo", ())
    with pytest.raises(ValueError, match="options --NAME=VALUE; got nonsense"):
        beam.check("DirectRunner", ("--parallelism=2", "nonsense"))


def test_errors_come_through(predictions, tmp_path):
    _, job = plan(predictions, tmp_path, min_threshold=1.0)
    with pytest.raises(InputError, match="No unlabelled image has a"):
        beam.run(job, DATA, 0, "DirectRunner")
    # What wrote nothing keeps no other settings away.
    plan(predictions, tmp_path, min_threshold=0.5)
