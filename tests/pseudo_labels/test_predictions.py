"""Predicting, dividing the images, and the files of predictions."""

import dataclasses
import json

import numpy as np
import pytest

from noisy_student import pseudo_labels
from noisy_student.data import records, tfrecords
from noisy_student.errors import InputError
from noisy_student.files import shards
from tests.pseudo_labels.flat import (
    MADE_FROM,
    expected,
    files_in,
    make_source,
    predictor,
    read,
)
from tests.pseudo_labels.made import flip_byte, make_data, write_images


def predict(directory, num_shards=1):
    files = files_in(directory, num_shards)
    shares = files.shares()
    pseudo_labels.predict(predictor(), make_source(5), files, shares, MADE_FROM)
    return files


def test_images_that_cannot_be_decoded_get_no_probability(tmp_path):
    files = files_in(tmp_path, 1)
    source = make_source(7, broken=[2, 4, 5, 6])
    shares = files.shares()
    pseudo_labels.predict(predictor(), source, files, shares, MADE_FROM)
    assert json.loads(files.info(shares[0]).read_text())["undecodable"] == 4
    probabilities = read(files, 0)
    assert probabilities.sum(axis=1).round(5).tolist() == [1, 1, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(
        probabilities[[0, 1, 3]], expected([0, 1, 3]), rtol=1e-5
    )


def test_progress_bars_may_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert read(predict(tmp_path), 0).shape == (5, 3)


def test_damaged_images_are_named(tmp_path):
    paths = write_images(tmp_path, 2)
    flip_byte(paths[1], 2)
    source = tfrecords.from_files(list(map(str, paths)), "a test")
    files = files_in(tmp_path, 2)
    with pytest.raises(InputError, match=f"{paths[1]} is damaged in the .*; m"):
        pseudo_labels.predict(predictor(), source, files, files.shares(), {})
    assert files.missing() == [pseudo_labels.Share(1, 0)]


def check(files):
    data = make_data(make_source(5))
    return files.check(dataclasses.replace(data, identity=MADE_FROM["images"]))


def test_shards_of_another_teacher_or_of_other_images_are_refused(tmp_path):
    files = predict(tmp_path, 2)
    files.check_made_from(MADE_FROM)
    assert check(files) == "abc"
    with pytest.raises(InputError, match="teacher='abc' there and 'x' here"):
        files.check_made_from(MADE_FROM | {"teacher": "x"})
    with pytest.raises(ValueError, match="task_name='flat' there and 'y'"):
        files.check_made_from({"images": {"task_name": "y"}})


def test_shards_of_two_teachers_are_refused(tmp_path):
    files = predict(tmp_path, 2)
    info = json.loads(files.info(pseudo_labels.Share(1, 0)).read_text())
    info["made_from"]["teacher"] = "other"
    files.info(pseudo_labels.Share(1, 0)).write_text(json.dumps(info))
    with pytest.raises(ValueError, match="different teachers"):
        check(files)


def test_files_that_disagree_are_refused(tmp_path):
    files = predict(tmp_path)
    files.info(pseudo_labels.Share(0, 0)).write_text(
        json.dumps({"image_num": 6, "seconds": 0, "made_from": {}})
    )
    with pytest.raises(ValueError, match=r"holds 5 predictions and .* says 6"):
        read(files, 0)


def test_missing_shards_are_named(tmp_path):
    with pytest.raises(ValueError, match="shards 0, 1 of 2 are missing"):
        check(files_in(tmp_path, 2))


def test_shards_and_workers_that_are_not_there_are_refused(tmp_path):
    files = files_in(tmp_path, 3, 2)
    with pytest.raises(ValueError, match="below num_shards=3; got 3, 7"):
        files.shares([7, 0, 3])
    with pytest.raises(ValueError, match="below total_replicas=2; got 2"):
        files.shares([0], [2])
    assert files.shares([2], [1]) == [pseudo_labels.Share(2, 1)]


def overwrite(files, rows):
    """Puts other predictions in the place of a share's."""
    with shards.shard_writer(files.predictions(pseudo_labels.Share(0, 0))) as w:
        for row in rows:
            w.write(records.encode_prediction(np.array(row, np.float32)))


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_what_is_no_probability_is_refused(tmp_path, bad):
    files = predict(tmp_path)
    overwrite(files, [[0.5, 0.5, 0], [0, 0, 0], [0.5, bad, 0], [1, 0, 0]])
    with pytest.raises(InputError, match=r"^record 2 of .* NaN or outside"):
        read(files, 0)


def test_predictions_of_other_classes_are_refused(tmp_path):
    files = predict(tmp_path)
    overwrite(files, [[0.5, 0.5, 0, 0]])
    with pytest.raises(InputError, match="not hold predictions of 3 classes"):
        read(files, 0)


def test_a_truncated_file_is_named_with_the_offset(tmp_path):
    files = predict(tmp_path)
    path = files.predictions(pseudo_labels.Share(0, 0))
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=f"{path} is damaged") as error:
        read(files, 0)
    assert str(size // 5 * 4) in str(error.value)
