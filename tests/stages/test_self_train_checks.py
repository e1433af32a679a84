"""What self-training refuses before anything is done."""

import dataclasses
import shutil
import types

import pytest

from noisy_student import models, stages, tasks
from noisy_student.config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    SelfTrainingConfig,
)
from tests.settings import experiment


def tiny(directory, **groups):
    """Two students on the digits, as small as they go."""
    settings = experiment(directory, train_batch_size=10, unlabel_ratio=2)
    model = ModelConfig(
        "efficientnet-b0", width_coefficient=0.1, depth_coefficient=0.1
    )
    fields = {
        "model": model,
        "data": DataConfig("digits", input_image_size=8),
        "self_training": SelfTrainingConfig(num_iterations=2),
        "run": RunConfig(distribution="one_device"),
    }
    return dataclasses.replace(settings, **(fields | groups))


def test_no_student_has_frozen_blocks_of_fresh_weights(tmp_path):
    """Even where the first teacher's are given ones."""
    settings = tiny(tmp_path / "run")
    teacher = models.build_model(
        settings.model.for_task(tasks.KNOWN["digits"], 8)
    )
    models.save_model(teacher, tmp_path / "given.keras")
    path = str(tmp_path / "given.keras")
    settings = dataclasses.replace(
        settings,
        model=dataclasses.replace(settings.model, fix_layer_num=1),
        train=dataclasses.replace(settings.train, init_weights=path),
    )
    with pytest.raises(ValueError, match="students start from fresh ones"):
        stages.make_stage(settings).validate()
    assert not settings.directory.exists()


def test_without_room_for_the_predictions_nothing_begins(tmp_path, monkeypatch):
    """Two students' of 1,347 unlabelled digits, at least 40 bytes each."""
    settings = tiny(tmp_path / "run")
    least = 2 * 1347 * 10 * 4

    def has_free(free):
        usage = types.SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    has_free(least)
    with pytest.raises(ValueError, match=r"Predictions take about 0\.3 MB"):
        stages.make_stage(settings).validate()
    assert not settings.directory.exists()
    has_free(4 * least)
    stages.make_stage(settings).validate()
