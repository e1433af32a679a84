import json

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import pseudo_labels
from noisy_student.data import decoding, pipelines, sources, views
from noisy_student.errors import InputError

SIDE = 4
FORMAT = views.ImageFormat(SIDE, small=True, horizontal_flip=True)


def batches(source):
    warnings = decoding.SkipWarnings()
    return pipelines.plain_images(source, FORMAT, 4, warnings)


def make_source(count, broken=()):
    """Flat images whose brightness is their number."""
    images = [np.full((SIDE, SIDE, 3), i, np.uint8) for i in range(count)]
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    for number in broken:
        encoded[number] = b"not an image"
    return sources.ImageSource(
        count,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": encoded,
                "label": np.zeros(count, np.int64),
                "index": np.arange(count),
            }
        ),
        "a test",
    )


class Teacher:
    """Logits (brightness / 10, 0, 0)."""

    def __call__(self, images, training):
        assert training is False
        brightness = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3])
        return brightness[:, None] * [[0.1, 0.0, 0.0]]


def expected(numbers):
    powers = np.exp(np.outer(numbers, [0.1, 0, 0]))
    return powers / powers.sum(axis=1, keepdims=True)


MADE_FROM = {"images": {"task_name": "flat"}, "teacher": "abc"}


def files_in(directory, num_shards):
    return pseudo_labels.PredictionFiles(
        directory / "p", directory / "info", num_shards
    )


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("num_shards", [1, 3])
def test_predictions_keep_the_order_of_the_images(
    tmp_path, num_shards, replicas
):
    files = files_in(tmp_path, num_shards)
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)]
    )
    with strategy.scope():
        pseudo_labels.predict(
            Teacher(),
            make_source(11),
            batches,
            files,
            range(num_shards),
            MADE_FROM,
        )
    for shard in range(num_shards):
        numbers = np.arange(shard, 11, num_shards)
        np.testing.assert_allclose(
            files.read(shard, 3), expected(numbers), rtol=1e-5
        )
    assert files.missing() == []


def predict(directory, num_shards=1):
    files = files_in(directory, num_shards)
    shards = range(num_shards)
    pseudo_labels.predict(
        Teacher(), make_source(5), batches, files, shards, MADE_FROM
    )
    return files


def test_images_that_cannot_be_decoded_get_no_probability(tmp_path):
    files = files_in(tmp_path, 1)
    source = make_source(7, broken=[2, 4, 5, 6])
    pseudo_labels.predict(Teacher(), source, batches, files, [0], MADE_FROM)
    probabilities = files.read(0, 3)
    assert probabilities.sum(axis=1).round(5).tolist() == [1, 1, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(
        probabilities[[0, 1, 3]], expected([0, 1, 3]), rtol=1e-5
    )


def test_progress_bars_may_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert predict(tmp_path).read(0, 3).shape == (5, 3)


def test_shards_of_another_teacher_or_of_other_images_are_refused(tmp_path):
    files = predict(tmp_path, 2)
    files.check_made_from(MADE_FROM)
    assert files.teacher() == "abc"
    with pytest.raises(InputError, match="teacher='abc' there and 'x' here"):
        files.check_made_from(MADE_FROM | {"teacher": "x"})
    with pytest.raises(ValueError, match="task_name='flat' there and 'y'"):
        files.check_made_from({"images": {"task_name": "y"}})


def test_shards_of_two_teachers_are_refused(tmp_path):
    files = predict(tmp_path, 2)
    info = json.loads(files.info(1).read_text())
    info["made_from"]["teacher"] = "other"
    files.info(1).write_text(json.dumps(info))
    with pytest.raises(ValueError, match="different teachers"):
        files.teacher()


def test_files_that_disagree_are_refused(tmp_path):
    files = predict(tmp_path)
    files.info(0).write_text(json.dumps({"image_num": 6, "seconds": 0}))
    with pytest.raises(ValueError, match=r"holds 5 predictions and .* says 6"):
        files.read(0, 3)


def test_missing_shards_are_named(tmp_path):
    with pytest.raises(ValueError, match="shards 0, 1 of 2 are missing"):
        files_in(tmp_path, 2).check_complete()
