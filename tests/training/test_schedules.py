import csv
import json

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
    )
    schedule = schedules.learning_rate(
        config, meta["num_train_images"], meta["train_steps"]
    )
    assert schedule.warmup_steps == meta["warmup_steps"]
    assert schedule.decay_steps == pytest.approx(meta["decay_steps"])
    assert len(rows) > 10
    for step, expected in rows:
        # Fine-tuning is the end of the same schedule.
        step += meta["start_from_step"]
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)


def test_a_schedule_that_never_leaves_the_warmup_is_refused():
    config = TrainConfig(
        train_batch_size=10, final_base_lr=1e-4, warmup_epochs=5
    )
    with pytest.raises(ValueError, match="warmup_epochs=5 are 50 steps"):
        schedules.learning_rate(config, num_labeled=100, total_steps=50)


def test_without_warmup_the_first_step_has_the_peak():
    config = TrainConfig(train_batch_size=256, warmup_epochs=0)
    schedule = schedules.learning_rate(config, 1000, 100)
    assert float(schedule(0)) == pytest.approx(0.016)
