"""Broken images in pipelines: named, and skipped where unlabelled."""

import pytest
from absl import logging

from noisy_student.data import decoding, pipelines
from noisy_student.errors import InputError
from tests.data.images import (
    LARGE,
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
    batches = pipelines.NoisedBatches(image_format, PLAIN, 5, seed=0)
    for dataset in (
        pipelines.labeled_images(source, batches),
        pipelines.plain_images(source, image_format, 5),
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
    batches = pipelines.NoisedBatches(image_format, PLAIN, 5, seed=0)
    seen = []
    for batch in take(unlabeled(path, batches), 4):
        assert batch["unlabeled_image"].shape[0] == 5
        seen.extend(batch["unlabeled_image"][:, 0, 0, 0] // 10)
    assert set(seen) == {0, 1, 2, 4, 5, 6, 7, 9}
    assert sorted(line.split(" cannot")[0] for line in lines) == [
        f"record 3 of {path}",
        f"record 8 of {path}",
    ]
