import math

import numpy as np
import pytest

from noisy_student.config import TrainConfig
from noisy_student.methods import ramps

RAMP = ramps.Ramps(total_steps=300, up_steps=80, down_steps=50)


@pytest.mark.parametrize(
    ("step", "up", "down"),
    [
        (0, math.exp(-5), 1),
        (40, math.exp(-5 / 4), 1),  # half of the ramp-up
        (80, 1, 1),
        (200, 1, 1),
        (250, 1, 1),
        (275, 1, math.exp(-12.5 / 4)),  # half of the ramp-down
        (300, 1, math.exp(-12.5)),
    ],
)
def test_the_papers_ramps(step, up, down):
    assert float(RAMP.up(step)) == pytest.approx(up, rel=1e-5)
    assert float(RAMP.down(step)) == pytest.approx(down, rel=1e-5)
    assert float(RAMP.weight(step)) == pytest.approx(up if step else 0)
    assert bool(RAMP.ramp_up_is_over(step)) == (step >= 80)


def test_ramps_rise_and_fall_evenly():
    steps = np.arange(301)
    up, down = (
        np.array([float(f(step)) for step in steps])
        for f in (RAMP.up, RAMP.down)
    )
    assert (np.diff(up) >= 0).all() and (np.diff(down) <= 0).all()
    assert (np.diff(up[:81]) > 0).all() and (np.diff(down[250:]) < 0).all()


def test_no_ramps():
    flat = ramps.Ramps(10, 0, 0)
    for step in (0, 5, 10):
        assert float(flat.up(step)) == float(flat.down(step)) == 1
    assert float(flat.weight(0)) == 0


def test_the_end_of_a_schedule_has_its_ramps():
    train = TrainConfig("supervised", train_steps=300, train_last_step_num=50)
    end = ramps.Ramps.from_config(train, num_labeled=100)
    assert end == ramps.Ramps(300, 80, 50, first_step=250)
    assert float(end.down(25)) == float(RAMP.down(275))
    assert float(end.weight(0)) == 1


def test_ramps_follow_flags_and_ratio():
    train = TrainConfig(
        "supervised",
        train_steps=100,
        train_ratio=2,
        ramp_up_steps=30,
        ramp_down_steps=0,
    )
    assert ramps.Ramps.from_config(train, 100) == ramps.Ramps(200, 60, 0)


@pytest.mark.parametrize("name", ["ramp_up_steps", "ramp_down_steps"])
def test_ramps_longer_than_the_training_are_refused(name):
    fits = TrainConfig("supervised", train_steps=100, **{name: 100})
    ramps.Ramps.from_config(fits, 100)
    train = TrainConfig("supervised", train_steps=100, **{name: 101})
    with pytest.raises(ValueError, match=f"{name}=101 is longer than the tra"):
        ramps.Ramps.from_config(train, 100)
