"""Reports of a made run whose kept and rejected images are known."""

import dataclasses
import logging
import math
import types

import numpy as np
import pytest
import tensorflow as tf

import noisy_student
from noisy_student import report
from noisy_student.config import DataConfig, RunConfig
from noisy_student.config.tools import ReportSettings
from noisy_student.errors import InputError
from noisy_student.files import writing
from noisy_student.report import page
from noisy_student.report.run import Run
from noisy_student.stages import Report, examples, generations, reporting
from noisy_student.stages.experiment import Experiment
from noisy_student.training import distribution
from tests.report import made_run
from tests.settings import experiment
from tests.stages import audited_run


@pytest.fixture
def run(tmp_path, monkeypatch):
    made = audited_run.make(tmp_path, monkeypatch)
    rows = [made_run.row(0, 0.5) | {"teacher": None}]
    rows += [made_run.row(1, 0.75) | {"teacher": 0}]
    report.save_results(made.config, {"generations": rows})
    return made


def opened(run):
    config = dataclasses.replace(run.config, run=RunConfig("one_device"))
    return Experiment.open(config, distribution.make_devices(config.run))


def read(run, per_class):
    experiment = opened(run)
    plan = generations.plan(experiment.config, 3)
    return examples.read(experiment, plan, 1, per_class)


def grey(example):
    return int(tf.io.decode_png(example.encoded)[0, 0, 0])


def test_kept_and_rejected_images_are_those_of_the_filter(run):
    """One of each is above and below; the undecodable one is neither."""
    found = {grey(each): each for each in read(run, per_class=9)}
    expected = {
        shade: (label, top, truth, top >= 0.5)
        for shade, truth, label, top in audited_run.IMAGES
        if shade is not None
    }
    assert {
        shade: (each.label, each.probability, each.truth, each.is_kept)
        for shade, each in found.items()
    } == expected
    assert sorted(expected) == sorted(found)
    assert [shade for shade in found if not found[shade].is_kept] == [60]


def test_there_are_so_many_of_a_class_and_kind(run):
    found = [(each.label, each.is_kept) for each in read(run, per_class=1)]
    assert sorted(found) == [(0, True), (1, False), (1, True), (2, True)]


def test_they_are_of_anywhere_and_the_same_each_time():
    """The first images of a folder are all of its first class."""
    ones = np.ones(1000, np.int64)
    block = types.SimpleNamespace(labels=0 * ones, top=0.9 * ones, copies=ones)
    balance = types.SimpleNamespace(thresholds=np.array([0.5]))
    job = types.SimpleNamespace(
        seed=3,
        num_classes=1,
        choose=lambda: balance,
        selections=lambda share, balance: iter([block]),
        predictions=types.SimpleNamespace(
            shares=lambda: [0],
            images=lambda images, share: types.SimpleNamespace(num_images=1000),
        ),
    )
    rows, again = (
        np.flatnonzero(next(examples._choose(job, None, 6)).mask)
        for _ in range(2)
    )
    assert rows.tolist() == again.tolist() and len(rows) == 6
    assert rows[0] < 500 < rows[-1]


def test_of_many_predictions_the_first_are_looked_at(run, monkeypatch):
    monkeypatch.setattr(examples, "_MOST_PREDICTIONS", 1)
    assert 0 < len(read(run, per_class=9)) < len(audited_run.KEPT)


def write(run, **settings):
    config = experiment(run.directory)
    made = Report(config, ReportSettings(**settings))
    made.validate()
    made.run()
    return (run.directory / page.REPORT_FILE).read_text()


def test_a_report_has_the_images(run, capsys):
    text = write(run)
    assert text.count('<figure class="kept') == 6
    assert text.count('<figure class="rejected') == 1
    assert "truly 2" in text and "cannot be read again" not in text
    out = capsys.readouterr().out
    assert out.endswith(f"The report is {run.directory / 'report.html'}.\n")


def test_the_counts_are_those_of_the_filter(run):
    [labels] = reporting._labels(Run.read(run.directory))
    found = labels.histogram
    top = [image[3] for image in audited_run.IMAGES if image[3]]
    bins = [math.floor(100 * each) for each in top]
    assert found.shape == (3, 101) and found.sum() == len(top)
    places = np.repeat(np.arange(101), found.sum(axis=0))
    assert places.tolist() == sorted(bins)


@pytest.mark.parametrize("name", ["stats.json", "counts/*.json"])
def test_damaged_counts_are_a_clear_line(run, name):
    [path, *_] = run.labels.glob(name)
    path.write_text("{")
    with pytest.raises(InputError, match=f"{run.labels} is damaged"):
        Report(experiment(run.directory), ReportSettings()).validate()


def test_the_public_function_writes_the_same(run):
    text = write(run)
    path = noisy_student.write_report(str(run.directory))
    assert path == run.directory / page.REPORT_FILE
    assert path.read_text().count("<img") == text.count("<img") == 7
    noisy_student.write_report(run.directory, images_per_class=0)
    assert "<img" not in path.read_text()


def test_images_that_are_gone_leave_the_samples(run):
    writing.remove(run.labels / "predictions")
    text = write(run)
    assert "they cannot be read again: " in text
    samples = [*(run.labels / "samples").rglob("*.png")]
    assert text.count('<figure class="kept') == len(samples) > 0
    assert '<figure class="rejected' not in text


def test_nothing_is_downloaded(run, tmp_path):
    run.save_config(data=DataConfig("cifar10", tfds_data_dir=str(tmp_path)))
    text = write(run)
    assert "they cannot be read again: " in text
    assert not (tmp_path / "cifar10").exists()
    assert not (tmp_path / "downloads").exists()


def test_without_images_none_are_opened(run, monkeypatch):
    monkeypatch.setattr(reporting, "_open", lambda config: 1 / 0)
    assert "<figure class=" not in write(run, images_per_class=0)


def test_a_chart_needs_a_generation(run):
    report.save_results(run.config, {"generations": []})
    with pytest.raises(ValueError, match="has no generation to draw"):
        write(run, chart="chart.svg")


def test_at_the_end_of_self_training(run, capsys):
    reporting.write_at_end(opened(run))
    assert (
        '<figure class="rejected'
        in (run.directory / page.REPORT_FILE).read_text()
    )
    assert "The report is" in capsys.readouterr().out


def test_a_failure_at_the_end_is_a_line(run, monkeypatch, caplog):
    def fail(*arguments):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(page, "render", fail)
    with caplog.at_level(logging.WARNING):
        reporting.write_at_end(opened(run))
    path = run.directory / page.REPORT_FILE
    [message] = [each.getMessage() for each in caplog.records]
    assert message == f"There is no {path}: RuntimeError: two lines"
    assert not path.exists()
