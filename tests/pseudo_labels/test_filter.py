import collections
import dataclasses
import logging

import numpy as np
import pytest

from noisy_student import pseudo_labels
from noisy_student.config import PseudoLabelConfig
from tests.pseudo_labels.made import (
    PROBABILITIES,
    TRUTH,
    contents,
    make_data,
    make_source,
    read_records,
    run,
    write_predictions,
)


def test_records_are_the_sure_images_with_their_probabilities(tmp_path):
    stats = run(tmp_path)
    copies = collections.Counter()
    for number, label, probabilities in read_records(tmp_path / "out"):
        np.testing.assert_allclose(probabilities, PROBABILITIES[number])
        assert label == PROBABILITIES[number].argmax()
        assert probabilities.max() >= stats.threshold[label] >= 0.5
        copies[number] += 1
    assert stats.records == copies.total() and stats.kept == len(copies)
    labels = PROBABILITIES[list(copies)].argmax(axis=1)
    assert stats.kept_per_class == np.bincount(labels, minlength=3).tolist()
    correct = labels == TRUTH[list(copies)]
    assert stats.accuracy == pytest.approx(correct.mean())
    assert stats.correct == correct.sum()
    predicted = np.bincount(PROBABILITIES.argmax(axis=1), minlength=3)
    assert stats.predicted == predicted.tolist()


def test_classes_are_balanced(tmp_path):
    stats = run(tmp_path, num_image=60)
    assert stats.above_threshold[2] < 60 < stats.predicted[0]
    for label, (written, total) in enumerate(
        zip(stats.records_per_class, stats.above_threshold, strict=True)
    ):
        fraction = 60 / total % 1
        sigma = (total * fraction * (1 - fraction)) ** 0.5
        assert abs(written - 60) <= 4 * sigma, label


def test_without_upsampling_nothing_is_repeated(tmp_path):
    stats = run(tmp_path, upsample=False)
    numbers = [number for number, *_ in read_records(tmp_path / "out")]
    assert len(numbers) == len(set(numbers)) == stats.kept == stats.records


def test_use_all_keeps_everything_once(tmp_path):
    stats = run(tmp_path, use_all=True, min_threshold=0.9, max_prob=0.95)
    numbers = [number for number, *_ in read_records(tmp_path / "out")]
    assert sorted(numbers) == list(range(300))
    assert stats.records == 300


def test_unknown_truth_gives_no_accuracy(tmp_path):
    stats = run(tmp_path, source=make_source(truth=np.full(300, -1)))
    assert stats.accuracy is None and stats.correct is None


def test_an_image_of_none_of_the_classes_has_a_wrong_label(tmp_path):
    """As few as one whose label is unknown leave no accuracy; these do."""
    others = np.arange(300) % 5 == 0
    truth = np.where(others, 3, PROBABILITIES.argmax(axis=1))
    stats = run(tmp_path, source=make_source(truth=truth))
    kept = {number for number, *_ in read_records(tmp_path / "out")}
    wrong = sum(map(int, others[list(kept)]))
    assert 0 < wrong < stats.kept == len(kept)
    assert stats.correct == stats.kept - wrong
    run(tmp_path / "other")
    assert contents(tmp_path / "out") == contents(tmp_path / "other/out")


def test_filtering_may_go_on_with_other_true_labels(tmp_path):
    """What is summed up stays; shares of two files have no common accuracy."""
    files = write_predictions(tmp_path / "p", 2)

    def filtered(truth, digest):
        data = make_data(make_source(truth=np.full(300, truth)))
        return pseudo_labels.filter_and_balance(
            dataclasses.replace(data, truth=digest),
            files,
            tmp_path / "out",
            PseudoLabelConfig(num_shards=2, num_image=60, min_threshold=0.5),
            seed=1,
        )

    stats = filtered(0, "a")
    assert 0 < stats.correct < stats.kept
    assert filtered(1, "b") == stats
    (tmp_path / "out/stats.json").unlink()
    tally = tmp_path / "out/tallies/tally-00001-of-00002-00000.json"
    tally.unlink()
    assert filtered(0, "a").correct == stats.correct
    (tmp_path / "out/stats.json").unlink()
    tally.unlink()
    mixed = filtered(1, "b")
    assert mixed.correct is None and mixed.files == stats.files


def test_finished_filtering_is_not_done_again(tmp_path):
    stats = run(tmp_path)
    path = tmp_path / "out/data/train-00000-of-00002"
    before = path.stat().st_mtime_ns
    assert run(tmp_path) == stats
    assert path.stat().st_mtime_ns == before


def test_interrupted_filtering_gives_the_same_records(tmp_path):
    run(tmp_path)
    whole = [
        path.read_bytes() for path in sorted((tmp_path / "out/data").iterdir())
    ]
    (tmp_path / "out/stats.json").unlink()
    (tmp_path / "out/tallies/tally-00001-of-00002-00000.json").unlink()
    (tmp_path / "out/data/train-00001-of-00002").write_bytes(b"half")
    with pytest.raises(ValueError, match="does not hold pseudo-labelled"):
        pseudo_labels.record_paths(tmp_path / "out")
    run(tmp_path)
    again = sorted((tmp_path / "out/data").iterdir())
    assert [path.read_bytes() for path in again] == whole


def test_another_number_of_samples_is_no_other_setting(tmp_path):
    stats = run(tmp_path, samples_per_class=5)
    assert run(tmp_path, samples_per_class=0) == stats
    (tmp_path / "out/stats.json").unlink()
    (tmp_path / "out/tallies/tally-00001-of-00002-00000.json").unlink()
    counts = tmp_path / "out/counts/counts-00000-of-00002-00000.json"
    before = counts.stat().st_mtime_ns
    again = run(tmp_path, samples_per_class=3)
    assert again.files == stats.files and again.records == stats.records
    assert counts.stat().st_mtime_ns == before


def test_the_outcome_of_other_settings_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="num_image=60 there and 61 here"):
        run(tmp_path, num_image=61)


def test_predictions_of_other_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="of 150 images, and there are 100"):
        run(tmp_path, source=make_source(200))


def test_a_threshold_that_nothing_reaches_is_refused(tmp_path):
    files = write_predictions(tmp_path, 1, np.full([6, 3], 1 / 3, np.float32))
    with pytest.raises(ValueError, match=r"min_threshold=0.9 or more"):
        pseudo_labels.filter_and_balance(
            make_data(make_source(6)),
            files,
            tmp_path / "out",
            PseudoLabelConfig(min_threshold=0.9),
            seed=0,
        )
    assert not (tmp_path / "out/data").exists()


def test_an_empty_class_is_a_warning(tmp_path, caplog):
    probabilities = PROBABILITIES.copy()
    probabilities[:, 1] = 0
    files = write_predictions(tmp_path, 1, probabilities)
    with caplog.at_level(logging.WARNING):
        stats = pseudo_labels.filter_and_balance(
            make_data(),
            files,
            tmp_path / "out",
            PseudoLabelConfig(),
            seed=0,
        )
    assert stats.records_per_class[1] == 0
    assert "in the classes 1 (by number)." in caplog.text
