"""What is checked before images are labelled or filtered."""

import dataclasses
import json
import re
import shutil

import pytest

from noisy_student import config, stages
from noisy_student.files import writing
from noisy_student.pseudo_labels import stats as statistics
from noisy_student.stages.filter import FilterSettings
from tests.pseudo_labels.made import write_digit_predictions
from tests.settings import experiment

TWO_SHARDS = config.PseudoLabelConfig(num_image=50, num_shards=2)


@pytest.fixture(scope="module")
def filtered(tmp_path_factory):
    """Predictions of the digits, and what was filtered of them."""
    root = tmp_path_factory.mktemp("labels")
    write_digit_predictions(root / "predictions", TWO_SHARDS)
    settings = FilterSettings(str(root / "predictions"))
    stage = stages.Filter(make_config(root / "filtered"), settings)
    stage.validate()
    stage.run()
    (root / "teacher.keras").write_bytes(b"a teacher")
    return root


def make_config(output_dir, seed=0, **predict):
    return dataclasses.replace(
        experiment("none"),
        mode="predict",
        model_dir=None,
        seed=seed,
        pseudo_labels=TWO_SHARDS,
        predict=config.PredictConfig(output_dir=str(output_dir), **predict),
    )


def reassign(root, output_dir, **changes):
    settings = make_config(
        output_dir,
        reassign_label=True,
        predict_ckpt_path=str(root / "teacher.keras"),
    )
    data = dataclasses.replace(
        settings.data, unlabel_data_dir=str(root / "filtered")
    )
    settings = dataclasses.replace(settings, data=data, **changes)
    stages.make_stage(settings).validate()


def test_filtering_leaves_statistics(filtered):
    stats = json.loads((filtered / "filtered/stats.json").read_text())
    assert stats["files"].keys() == {
        "train-00000-of-00002",
        "train-00001-of-00002",
    }
    assert sum(stats["predicted"]) == 1347 and stats["undecodable"] == 0


def test_reassigning_into_the_filtered_directory_is_refused(filtered):
    with pytest.raises(ValueError, match=r"are both .*; name another output"):
        reassign(filtered, filtered / "filtered")


def test_reassigning_of_some_shards_is_refused(filtered, tmp_path):
    predict = config.PredictConfig(
        output_dir=str(tmp_path),
        reassign_label=True,
        shard_id=(1,),
        predict_ckpt_path=str(filtered / "teacher.keras"),
    )
    with pytest.raises(ValueError, match="reassign_label does all shards"):
        reassign(filtered, tmp_path, predict=predict)


def test_reassigned_labels_of_other_settings_are_refused(filtered, tmp_path):
    reassign(filtered, tmp_path)
    made_from = {"images": {}, "teacher": "other", "seed": 0}
    writing.write_json(tmp_path / statistics.MADE_FROM_FILE, made_from)
    with pytest.raises(ValueError, match=r"other settings: .*reassigned_from"):
        reassign(filtered, tmp_path)


@pytest.mark.parametrize(
    ("settings", "predict", "message"),
    [
        ({}, {"worker_id": 0}, "worker_id is for mode=predict"),
        ({"task": 1}, {}, "below total_replicas=1; got 1"),
        ({}, {"shard_id": (2,)}, "below num_shards=2; got 2"),
        ({"prediction_dir": "/none"}, {}, "shards 0, 1 of 2 are missing in"),
        ({"prediction_dir": None}, {}, "prediction_dir must be set"),
        (
            {"runner": "DirectRunner"},
            {"shard_id": (0,)},
            "runner does all parts and both phases|requirements-beam",
        ),
    ],
)
def test_bad_settings_of_filtering(
    filtered, tmp_path, settings, predict, message
):
    values = {"prediction_dir": str(filtered / "predictions")} | settings
    with pytest.raises(ValueError, match=message):
        stages.Filter(
            make_config(tmp_path, **predict), FilterSettings(**values)
        ).validate()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train-info-00001-of-00002-00000", "shards 1 of 2 .* no train-info-0"),
        ("info-00001-of-00002-00000.txt", "shards 1 of 2 .* no info-00001"),
    ],
)
def test_the_file_that_is_missing_is_named(filtered, tmp_path, name, message):
    source = filtered / "predictions"
    shutil.copytree(source, tmp_path / "predictions")
    [path] = (tmp_path / "predictions").rglob(name)
    path.unlink()
    settings = FilterSettings(str(tmp_path / "predictions"))
    with pytest.raises(ValueError, match=message):
        stages.Filter(make_config(tmp_path), settings).validate()


def test_another_number_of_shards_is_named(filtered, tmp_path):
    made = make_config(tmp_path)
    labels = dataclasses.replace(made.pseudo_labels, num_shards=5)
    made = dataclasses.replace(made, pseudo_labels=labels)
    settings = FilterSettings(str(filtered / "predictions"))
    with pytest.raises(ValueError, match="but files of num_shards=2; run mode"):
        stages.Filter(made, settings).validate()


def test_predictions_of_another_choice_of_images_are_refused(
    filtered, tmp_path
):
    settings = FilterSettings(str(filtered / "predictions"))
    message = re.escape("seed=0 there and 1 here")
    with pytest.raises(ValueError, match=message):
        stages.Filter(make_config(tmp_path, seed=1), settings).validate()
