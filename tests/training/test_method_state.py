"""What a method keeps: updated after each step, saved, taken up."""

import pytest
import tensorflow as tf

from noisy_student import methods
from noisy_student.training import trainer
from tests.training.runs import DEVICES, run
from tests.training.test_trainer import Killed, kill_after

pytestmark = pytest.mark.usefixtures("short_network")


class Counting(methods.Supervised):
    """Adds up the numbers of the steps."""

    def __init__(self):
        super().__init__(0.0)
        with DEVICES.strategy.scope():
            self.total = tf.Variable(0, trainable=False, dtype=tf.int64)

    def after_step(self, step):
        self.total.assign_add(step)

    def state(self):
        return {"total": self.total}


@pytest.mark.slow
def test_a_methods_state_goes_on_where_it_was(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, trainer._Trainer, "_train_until", 3)
        run(tmp_path, {"method": Counting()})
    resumed = Counting()
    run(tmp_path, {"method": resumed})
    assert resumed.total.numpy() == sum(range(1, 31))
