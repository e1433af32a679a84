import csv
import dataclasses
import json
import math

import pytest

from noisy_student.config import TrainConfig
from noisy_student.training import schedules


def read_trace(fixtures, name):
    with open(fixtures / f"schedule/lr_{name}.csv") as file:
        rows = [(int(r["step"]), float(r["lr"])) for r in csv.DictReader(file)]
    meta = json.loads((fixtures / "schedule/lr_meta.json").read_text())
    return rows, meta[name]


@pytest.mark.parametrize("name", ["svhn", "imagenet_b0", "imagenet_finetune"])
def test_learning_rate_follows_the_original(name, fixtures):
    rows, meta = read_trace(fixtures, name)
    config = TrainConfig(
        train_batch_size=meta["train_batch_size"],
        train_ratio=meta["train_ratio"],
        base_learning_rate=meta["base_learning_rate"],
        final_base_lr=meta["final_base_lr"],
        # Before `train_ratio`, which the fixture has applied.
        train_steps=round(meta["train_steps"] / meta["train_ratio"]),
        train_last_step_num=meta["train_steps"] - meta["start_from_step"]
        if meta["start_from_step"]
        else None,
    )
    schedule = schedules.learning_rate(config, meta["num_train_images"])
    assert schedule.warmup_steps == meta["warmup_steps"]
    assert schedule.decay_steps == pytest.approx(meta["decay_steps"])
    assert len(rows) > 10
    for step, expected in rows:
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)


def test_a_schedule_that_never_leaves_the_warmup_is_refused():
    config = TrainConfig(
        train_batch_size=10,
        final_base_lr=1e-4,
        warmup_epochs=5,
        train_steps=50,
    )
    with pytest.raises(ValueError, match="warmup_epochs=5 are 50 steps"):
        schedules.learning_rate(config, num_labeled=100)


def test_without_warmup_the_first_step_has_the_peak():
    config = TrainConfig(train_batch_size=256, warmup_epochs=0)
    schedule = schedules.learning_rate(config, 1000)
    assert float(schedule(0)) == pytest.approx(0.016)


def test_masked_labels_make_a_smaller_batch():
    """Half of 256 images that count are a batch of 128."""
    masked = TrainConfig(
        train_batch_size=256, label_data_sample_prob=0.5, train_steps=900
    )
    plain = TrainConfig(train_batch_size=128, train_steps=900)
    assert schedules.learning_rate(masked, 10_000) == schedules.learning_rate(
        plain, 10_000
    )


def test_more_last_steps_than_there_are_are_refused():
    config = TrainConfig(train_steps=10, train_last_step_num=11)
    with pytest.raises(ValueError, match="more than the schedule's 10 steps"):
        schedules.learning_rate(config, 1000)


def test_ramps_as_the_paper_has_them():
    """Up over 80 of 300 epochs, down over the last 50."""
    config = TrainConfig(
        "supervised", learning_rate_schedule="ramps", train_steps=300
    )
    schedule = schedules.learning_rate(config, 1000)
    for step, share in [
        (0, math.exp(-5)),
        (40, math.exp(-5 / 4)),
        (80, 1),
        (250, 1),
        (275, math.exp(-12.5 / 4)),
        (300, math.exp(-12.5)),
    ]:
        assert float(schedule(step)) == pytest.approx(0.003 * share, rel=1e-4)


def test_the_last_steps_have_the_end_of_the_ramps():
    config = TrainConfig(
        "supervised",
        learning_rate_schedule="ramps",
        train_steps=300,
        train_last_step_num=50,
    )
    schedule = schedules.learning_rate(config, 1000)
    assert schedule.first_step == 250
    expected = 0.003 * math.exp(-12.5 / 4)
    assert float(schedule(25)) == pytest.approx(expected, rel=1e-4)


def test_a_cosine_after_the_warm_up():
    """SGDR's equation 5, from the peak to the end of all steps."""
    config = TrainConfig(
        learning_rate_schedule="cosine",
        train_batch_size=128,
        base_learning_rate=0.2,
        final_base_lr=0.02,
        warmup_epochs=2,
        train_epochs=12,
    )
    schedule = schedules.learning_rate(config, num_labeled=1280)
    peak, end = 0.1, 0.01  # at half the reference's batch
    for step in range(125):
        expected = peak * step / 20
        if step >= 20:
            share = min(1, (step - 20) / 100)
            expected = end + (peak - end) * (1 + math.cos(math.pi * share)) / 2
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-4)
    to_zero = dataclasses.replace(config, final_base_lr=None)
    last = schedules.learning_rate(to_zero, 1280)(120)
    assert float(last) == pytest.approx(0, abs=1e-8)
    short = dataclasses.replace(config, train_epochs=2)
    with pytest.raises(ValueError, match="are 20 steps, and the schedule has"):
        schedules.learning_rate(short, 1280)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"train_epochs": 12.0}, 120),
        ({"train_epochs": 12.0, "train_steps": 100}, 120),
        ({"train_epochs": 12.0, "train_steps": 200}, 200),
        ({"train_steps": 100}, 100),
        ({}, 3500),
    ],
)
def test_epochs_or_steps_say_how_long(settings, steps):
    config = TrainConfig(train_batch_size=128, **settings)
    assert config.schedule_steps(1280) == steps
