"""Labels image by image, against the records that filtering wrote."""

import collections
import dataclasses

import numpy as np
import pytest

from noisy_student import pseudo_labels
from noisy_student.config import PseudoLabelConfig
from noisy_student.errors import InputError
from noisy_student.pseudo_labels import kept
from tests.pseudo_labels import made


def filtered(tmp_path, num_shards=2, workers=1, source=None):
    """A filtering that is done, and its source."""
    source = source or made.make_source()
    stats = made.run(tmp_path, num_shards, source, workers)
    files = pseudo_labels.PredictionFiles(
        tmp_path / "p", tmp_path / "p", num_shards, workers
    )
    job = pseudo_labels.FilterJob(
        made.make_data(source),
        pseudo_labels.LabelFiles(files, tmp_path / "out"),
        PseudoLabelConfig(
            num_shards=num_shards,
            num_image=60,
            min_threshold=0.5,
            total_replicas=workers,
        ),
        seed=1,
    )
    return job, source, stats


def number_of(example):
    return int(example["encoded"].split()[1])


@pytest.mark.parametrize(("num_shards", "workers"), [(1, 1), (2, 1), (3, 2)])
def test_copies_are_those_that_were_written(tmp_path, num_shards, workers):
    job, source, _ = filtered(tmp_path, num_shards, workers)
    records = made.read_records(tmp_path / "out")
    written = collections.Counter(number for number, _, _ in records)
    found, seen = {}, []
    for part in kept.read_labels(job, source):
        numbers = [*map(number_of, part.images.read().as_numpy_iterator())]
        seen += numbers
        found |= dict(zip(numbers, part.given.copies.tolist(), strict=True))
        expected = made.PROBABILITIES[numbers]
        np.testing.assert_array_equal(
            part.given.labels, expected.argmax(axis=1)
        )
        np.testing.assert_array_equal(
            part.given.confidences, expected.max(axis=1)
        )
        np.testing.assert_array_equal(part.given.truth, made.TRUTH[numbers])
        # Every num_shards-th image is the shard's.
        assert (part.places * num_shards + part.share.shard).tolist() == numbers
    assert sorted(seen) == list(range(300))
    assert +collections.Counter(found) == written


def test_kept_images_are_chosen_with_their_labels(tmp_path):
    job, source, _ = filtered(tmp_path)
    for part in kept.read_labels(job, source):
        chosen = part.where(part.given.copies > 0)
        assert 0 < chosen.images.num_images < part.images.num_images
        numbers = [*map(number_of, chosen.images.read().as_numpy_iterator())]
        assert (chosen.places * 2 + part.share.shard).tolist() == numbers
        assert chosen.given.truth.tolist() == made.TRUTH[numbers].tolist()


def test_shards_without_images_are_passed_over(tmp_path):
    probabilities = made.PROBABILITIES[:2]
    files = made.write_predictions(tmp_path / "p", 3, probabilities)
    source = made.make_source(2)
    settings = PseudoLabelConfig(num_shards=3, use_all=True)
    labels = pseudo_labels.LabelFiles(files, tmp_path / "out")
    job = pseudo_labels.FilterJob(made.make_data(source), labels, settings, 1)
    job.counts.of(files.shares())
    parts = [*kept.read_labels(job, source)]
    assert [part.share.shard for part in parts] == [0, 1]


def test_another_choice_than_the_written_one_is_refused(tmp_path):
    job, source, stats = filtered(tmp_path)
    copies = np.zeros(3, int)
    for part in kept.read_labels(job, source):
        chosen = part.given.where(part.given.copies > 0)
        copies += np.bincount(chosen.labels, minlength=3)
    kept.check_kept(job, stats, copies)
    other = dataclasses.replace(stats, kept_per_class=[1, 2, 3])
    with pytest.raises(InputError, match=r"stats.json says \[1, 2, 3\]"):
        kept.check_kept(job, other, copies)
