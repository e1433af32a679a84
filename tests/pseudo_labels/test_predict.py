import json

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import pseudo_labels
from noisy_student.data import pipelines, sources

SIDE = 4
FORMAT = pipelines.ImageFormat(SIDE, small=True, horizontal_flip=True)


def make_source(count):
    """Flat images whose brightness is their number."""
    images = [np.full((SIDE, SIDE, 3), i, np.uint8) for i in range(count)]
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    return sources.ImageSource(
        count,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": encoded,
                "label": np.zeros(count, np.int64),
                "index": np.arange(count),
            }
        ),
    )


class Teacher:
    """Logits (brightness / 10, 0, 0); counts its calls."""

    def __init__(self):
        self.traces = 0

    def __call__(self, images, training):
        assert training is False
        self.traces += 1
        brightness = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3])
        return brightness[:, None] * [[0.1, 0.0, 0.0]]


def expected(numbers):
    powers = np.exp(np.outer(numbers, [0.1, 0, 0]))
    return powers / powers.sum(axis=1, keepdims=True)


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
            Teacher(), make_source(11), FORMAT, files, range(num_shards), 4
        )
    for shard in range(num_shards):
        numbers = np.arange(shard, 11, num_shards)
        np.testing.assert_allclose(
            files.read(shard, 3), expected(numbers), rtol=1e-5
        )
    assert files.missing() == []


def test_a_finished_shard_is_not_predicted_again(tmp_path):
    files = files_in(tmp_path, 2)
    source = make_source(6)
    pseudo_labels.predict(Teacher(), source, FORMAT, files, [1], 4)
    assert files.missing() == [0]
    written = files.predictions(1).stat().st_mtime_ns
    pseudo_labels.predict(Teacher(), source, FORMAT, files, [0, 1], 4)
    assert files.predictions(1).stat().st_mtime_ns == written
    assert files.missing() == []
    teacher = Teacher()
    pseudo_labels.predict(teacher, source, FORMAT, files, [0, 1], 4)
    assert teacher.traces == 0


def test_files_that_disagree_are_refused(tmp_path):
    files = files_in(tmp_path, 1)
    pseudo_labels.predict(Teacher(), make_source(5), FORMAT, files, [0], 4)
    files.info(0).write_text(json.dumps({"image_num": 6, "seconds": 0}))
    with pytest.raises(ValueError, match=r"holds 5 predictions and .* says 6"):
        files.read(0, 3)


def test_missing_shards_are_named(tmp_path):
    with pytest.raises(ValueError, match="shards 0, 1 of 2 are missing"):
        files_in(tmp_path, 2).check_complete()
