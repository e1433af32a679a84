"""Divisions, and the files of predictions."""

import json

import numpy as np
import pytest

from noisy_student import pseudo_labels
from noisy_student.data import records
from noisy_student.errors import InputError
from noisy_student.files import shards
from tests.pseudo_labels.test_predict import (
    MADE_FROM,
    files_in,
    make_source,
    predict,
    read,
)


def check(files):
    return files.check(make_source(5), MADE_FROM["images"])


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


def test_shards_and_workers_that_are_not_there_are_refused():
    division = pseudo_labels.Division(3, 2)
    with pytest.raises(ValueError, match="below num_shards=3; got 3, 7"):
        division.shares([7, 0, 3])
    with pytest.raises(ValueError, match="below total_replicas=2; got 2"):
        division.shares([0], 2)
    assert division.shares([2], 1) == [pseudo_labels.Share(2, 1)]


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
