"""Where a device's memory is full, people read what would need less."""

import pytest
import tensorflow as tf

from noisy_student import evaluation, methods, pseudo_labels
from noisy_student.errors import InputError
from tests.pseudo_labels import flat
from tests.training.runs import evaluation_images, run

pytestmark = pytest.mark.usefixtures("short_network")


class Hungry(methods.Supervised):
    """Asks for a pebibyte in the step."""

    def __init__(self):
        super().__init__(0.0)

    def compute_losses(self, student, average, batch, step):
        side = tf.cast(2**24 + step, tf.int32)
        batch["label_weight"] += tf.reduce_max(tf.ones([side, side]))
        return super().compute_losses(student, average, batch, step)


@pytest.mark.slow  # TensorFlow waits for memory to come free
def test_training(tmp_path):
    message = (
        r"memory for training on 4 images \(no 1,125,899,906,842,624 bytes for "
        r"float \[16777216,16777216\] on CPU:0\): lower train_batch_size or "
        "unlabel_ratio, set accumulation_steps .* or set remat"
    )
    with pytest.raises(InputError, match=message):
        run(tmp_path, {"method": Hungry()})


def test_evaluation_and_prediction(monkeypatch):
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
    monkeypatch.setattr(evaluation.Accuracy, "_step", raising(error))
    accuracy = evaluation.Accuracy(evaluation_images, 20, "evaluate test")
    with pytest.raises(
        InputError,
        match=r"evaluate test with 4 images at a time \(OOM\): l",
    ):
        accuracy(model=None)
    monkeypatch.setattr(pseudo_labels.Predictor, "_step", raising(error))
    with pytest.raises(
        InputError, match=r"predicting 4 images at a time \(OOM\): lower eval_b"
    ):
        next(flat.predictor()(flat.make_source(5)))


def raising(error):
    def step(*_):
        raise error

    return step
