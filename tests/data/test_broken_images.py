"""Broken images in pipelines: named, and skipped where unlabelled."""

import numpy as np
import pytest
from absl import logging

from noisy_student.config import InputConfig
from noisy_student.data import decoding, pipelines, plain
from noisy_student.errors import InputError
from tests.data.images import (
    LARGE,
    NOISED,
    PLAIN,
    SMALL,
    make_source,
    take,
    unlabeled,
    write_records,
)


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_a_broken_labelled_image_is_named(image_format):
    source = make_source(broken=[3])
    batches = pipelines.BatchSpec(image_format, PLAIN, 5, seed=0)
    for dataset in (
        pipelines.labeled_images(source, batches),
        plain.plain_images(source, image_format, 5),
    ):
        with (
            pytest.raises(InputError, match=r"^image 3 of a test cannot be"),
            decoding.input_errors(),
        ):
            take(dataset, 2)


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_a_broken_unlabelled_record_is_skipped_and_named(
    tmp_path, image_format, monkeypatch
):
    lines = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: lines.append(text % args)
    )
    path = tmp_path / "train-0"
    write_records(path, make_source(broken=[3, 8]))
    batches = pipelines.BatchSpec(image_format, PLAIN, 5, seed=0)
    for epoch in np.split(np.array(take(unlabeled(path, batches), 4)), 2):
        weights = np.concatenate([b["unlabeled_weight"] for b in epoch])
        images = np.concatenate([b["unlabeled_image"] for b in epoch])
        numbers = images[weights == 1, 0, 0, 0] // 10
        assert sorted(numbers) == [0, 1, 2, 4, 5, 6, 7, 9]
        assert weights.tolist().count(0) == 2 and not images[weights == 0].any()
    assert sorted(line.split(" cannot")[0] for line in lines) == [
        f"record 3 of {path}",
        f"record 8 of {path}",
    ]


def test_pipelines_call_no_python_where_others_read(distant_tpu, warnings):
    source = make_source(broken=[3])
    dataset = plain.plain_images(source, SMALL, 5, decoding.SkipWarnings())
    weights = np.concatenate([batch["weight"] for batch in take(dataset, 2)])
    assert weights.tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
    assert not warnings


@pytest.mark.parametrize("cache_mib", [0, 1])
def test_a_batch_of_nothing_but_broken_images_goes_by(tmp_path, cache_mib):
    path = tmp_path / "train-0"
    write_records(path, make_source(3, broken=[0, 2]))
    options = InputConfig(cache_mib=cache_mib)
    batches = pipelines.BatchSpec(SMALL, NOISED, 1, seed=0, input=options)
    taken = take(unlabeled(path, batches), 6)
    assert sum(batch["unlabeled_weight"][0] for batch in taken) == 2


def test_the_error_of_the_last_image_comes_through_the_cache():
    source = make_source(65, broken=[64])
    batches = pipelines.BatchSpec(SMALL, PLAIN, 5, seed=0)
    with (
        pytest.raises(InputError, match=r"^image 64 of a test cannot be"),
        decoding.input_errors(),
    ):
        take(pipelines.labeled_images(source, batches), 13)
