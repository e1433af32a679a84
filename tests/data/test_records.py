import numpy as np
import pytest
import tensorflow as tf

from noisy_student.data import records
from noisy_student.files import shards


def test_pseudo_labelled_records_have_the_documented_keys():
    probabilities = np.array([0.1, 0.7, 0.2], np.float32)
    serialized = records.encode_pseudo_labeled(b"bytes", 1, probabilities)
    feature = tf.train.Example.FromString(serialized).features.feature
    assert feature["image/encoded"].bytes_list.value == [b"bytes"]
    assert feature["label"].int64_list.value == [1]
    assert feature["prob"].float_list.value[0] == pytest.approx(0.7)
    np.testing.assert_allclose(
        feature["probabilities"].float_list.value, probabilities
    )
    assert len(feature) == 4


def test_predictions_come_back_in_order(tmp_path):
    rows = np.random.default_rng(0).dirichlet(np.ones(4), size=3000)
    path = tmp_path / "deep" / "shard"
    with shards.shard_writer(path) as writer:
        for row in rows:
            writer.write(records.encode_prediction(row))
    batches = list(records.read_predictions(path, 4))
    assert [len(batch) for batch in batches] == [1024, 1024, 952]
    np.testing.assert_allclose(np.concatenate(batches), rows, rtol=1e-6)
    serialized = next(iter(tf.data.TFRecordDataset(str(path)))).numpy()
    feature = tf.train.Example.FromString(serialized).features.feature
    assert sorted(feature) == ["classes", "probabilities"]
    assert feature["classes"].int64_list.value == [rows[0].argmax()]
    with pytest.raises(ValueError, match="predictions of 5 classes"):
        next(records.read_predictions(path, 5))


def test_an_empty_shard_has_no_predictions(tmp_path):
    with shards.shard_writer(tmp_path / "shard"):
        pass
    assert list(records.read_predictions(tmp_path / "shard", 7)) == []


@pytest.mark.parametrize("size", [0, 1, 127, 128, 20_000])
@pytest.mark.parametrize(("label", "classes"), [(0, 1), (9, 10), (700, 1000)])
def test_joined_examples_are_what_tensorflow_and_protobuf_read(
    size, label, classes
):
    generator = np.random.default_rng(size)
    encoded = generator.bytes(size)
    row = generator.dirichlet(np.ones(classes)).astype(np.float32)
    serialized = records.encode_pseudo_labeled(encoded, label, row)
    parsed = tf.io.parse_single_example(
        serialized,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "label": tf.io.FixedLenFeature([], tf.int64),
            "prob": tf.io.FixedLenFeature([], tf.float32),
            "probabilities": tf.io.FixedLenFeature([classes], tf.float32),
        },
    )
    assert parsed["image/encoded"] == encoded and parsed["label"] == label
    assert parsed["prob"] == row[label]
    np.testing.assert_array_equal(parsed["probabilities"], row)
    feature = tf.train.Example.FromString(serialized).features.feature
    assert feature["image/encoded"].bytes_list.value == [encoded]
    assert feature["label"].int64_list.value == [label]
    np.testing.assert_array_equal(
        feature["probabilities"].float_list.value, row
    )


def test_a_shard_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "shard"
    with pytest.raises(RuntimeError), shards.shard_writer(path) as writer:
        writer.write(b"half")
        assert not path.exists()
        raise RuntimeError
    assert not path.exists()


def test_shard_names():
    assert shards.shard_name("train", 3, 128) == "train-00003-of-00128"
