import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.errors import InputError
from noisy_student.models import efficientnet
from noisy_student.models.importers import original, weights
from tests.models.small import SMALL


@pytest.fixture(scope="module")
def arrays(fixtures):
    return original.read(str(fixtures / "svhn_small/model.ckpt"))


def values(model):
    return [weight.numpy() for weight in model.weights]


def test_slots_and_counters_are_left_out(fixtures, arrays):
    listing = (fixtures / "svhn_small/variables_creation_order.txt").read_text()
    names = {line.split()[0] for line in listing.splitlines()}
    assert {f"efficientnet-b0/{name}" for name in arrays} == names


def test_averaged_and_raw_weights_differ(fixtures, arrays):
    prefix = str(fixtures / "svhn_small/model.ckpt")
    raw = original.read(prefix, averaged=False)
    reader = tf.train.load_checkpoint(prefix)
    name = "efficientnet-b0/head/conv2d/kernel"
    for found, suffix in ((raw, ""), (arrays, "/ExponentialMovingAverage")):
        np.testing.assert_array_equal(
            found["head/conv2d/kernel"], reader.get_tensor(name + suffix)
        )
    assert not np.array_equal(
        raw["head/conv2d/kernel"], arrays["head/conv2d/kernel"]
    )


def test_missing_left_over_and_misshapen_weights_are_all_listed(arrays):
    model = efficientnet.build_model(SMALL)
    before = values(model)
    wrong = dict(arrays)
    del wrong["blocks_3/se/conv2d/bias"]
    wrong["blocks_77/conv2d/kernel"] = np.zeros(3)
    wrong["stem/conv2d/kernel"] = np.zeros([3, 3, 3, 16])
    with pytest.raises(InputError) as error:
        weights.assign(model, wrong, "model.ckpt")
    message = str(error.value)
    assert "missing: blocks_3/se/conv2d/bias" in message
    assert "left over: blocks_77/conv2d/kernel" in message
    assert re.search(
        r"of another shape: stem/conv2d/kernel is \(3, 3, 3, 16\), "
        r"not \(3, 3, 3, 8\)",
        message,
    )
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_deeper_models_weights_say_how_deep(arrays):
    deeper = dataclasses.replace(SMALL, depth_coefficient=1.0)
    with pytest.raises(InputError, match="a model with 10 blocks"):
        weights.assign(efficientnet.build_model(deeper), arrays, "model.ckpt")


def test_another_number_of_classes_needs_a_new_head(arrays):
    model = efficientnet.build_model(dataclasses.replace(SMALL, num_classes=7))
    with pytest.raises(InputError, match=r"Only the classifier.*new_head"):
        weights.assign(model, arrays, "model.ckpt")
    assert weights.assign(model, arrays, "model.ckpt", allow_new_head=True)
    variables = weights.variables_by_name(model)
    for name, variable in variables.items():
        truth = 0 if name in weights.HEAD else arrays[name]
        np.testing.assert_array_equal(variable, truth)


def test_a_head_that_fits_is_taken(arrays):
    model = efficientnet.build_model(SMALL)
    assert not weights.assign(model, arrays, "x", allow_new_head=True)
    np.testing.assert_array_equal(
        model.get_layer("logits").bias, arrays["head/dense/bias"]
    )


def test_without_averages_the_raw_weights_are_named(tmp_path):
    name = "efficientnet-b0/stem/conv2d/kernel"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable(name, [3, 3, 3, 8])
        session.run(tf.compat.v1.global_variables_initializer())
        prefix = tf.compat.v1.train.Saver().save(
            session, str(tmp_path / "ckpt")
        )
    with pytest.raises(InputError, match="no averaged weights"):
        original.read(prefix)


def test_another_programs_checkpoint_is_refused(tmp_path):
    checkpoint = tf.train.Checkpoint(x=tf.Variable(1.0))
    prefix = checkpoint.write(str(tmp_path / "ckpt"))
    with pytest.raises(InputError, match="no EfficientNet of the original"):
        original.read(prefix)


def test_a_checkpoint_is_found_by_prefix_or_directory(fixtures, tmp_path):
    prefix = str(fixtures / "svhn_small/model.ckpt")
    assert original.checkpoint_prefix(prefix) == prefix
    for suffix in (".index", ".data-00000-of-00001"):
        (tmp_path / f"model.ckpt-5{suffix}").write_bytes(b"")
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "model.ckpt-5"\n'
    )
    found = original.checkpoint_prefix(tmp_path)
    assert found == str(tmp_path / "model.ckpt-5")
    with pytest.raises(ValueError, match=r"other\.index is missing"):
        original.checkpoint_prefix(tmp_path / "other")


@pytest.mark.parametrize("damage", ["remove", "truncate"])
def test_damaged_files_are_named(damage, fixtures, tmp_path):
    for source in (fixtures / "svhn_small").glob("model.ckpt.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    if damage == "remove":
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(InputError, match="are its files whole"):
        original.read(str(tmp_path / "model.ckpt"))
