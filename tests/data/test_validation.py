"""Which labelled images validate."""

import pytest

from noisy_student.config import DataConfig
from noisy_student.data.validation import check_apart, open_validation
from tests.data.directories import labels_of, write_folders, write_records

PARTS = ("train", "test")


def write(root, kind, *splits):
    for number, split in enumerate(splits):
        if kind == "records":
            write_records(root, split, [3 + number], classes=2)
        else:
            write_folders(root, {f"{split}/a": 2 + number, f"{split}/b": 1})


@pytest.mark.parametrize("kind", ["folders", "records"])
@pytest.mark.parametrize(
    ("splits", "settings", "number"),
    [
        (PARTS, {}, None),
        (("train", "validation"), {}, None),  # these are the test images
        (("train", "dev"), {}, None),
        ((*PARTS, "dev"), {}, 5),
        ((*PARTS, "validation"), {}, 5),
        ((*PARTS, "validation", "dev"), {}, 6),
        (("train", "dev", "validation"), {}, 4),
        ((*PARTS, "dev"), {"test_split": "dev"}, None),
        ((*PARTS, "dev"), {"label_split": "train+dev"}, None),
        ((*PARTS, "dev", "validation"), {"label_split": "train+dev"}, 6),
        ((*PARTS, "dev"), {"unlabel_split": "dev[:2]"}, None),
        ((*PARTS, "dev"), {"validation_split": "train[2:]+dev"}, 6),
    ],
)
def test_the_split_that_nothing_else_takes(
    kind, splits, settings, number, tmp_path
):
    write(tmp_path, kind, *splits)
    config = DataConfig(
        "ours", label_data_dir=str(tmp_path), num_label_classes=2, **settings
    )
    found = open_validation(config)
    assert (None if found is None else found.num_images) == number
    if found is not None:
        assert set(labels_of(found)) == {0, 1}


@pytest.mark.parametrize("settings", [{}, {"validation_split": "train+dev"}])
def test_the_first_images_validate(settings, tmp_path):
    write(tmp_path, "records", *PARTS, "dev")

    def found(number):
        config = DataConfig(
            "ours",
            label_data_dir=str(tmp_path),
            num_label_classes=2,
            num_eval_images=number,
            **settings,
        )
        return labels_of(open_validation(config))

    assert found(2) == found(None)[:2]
    with pytest.raises(ValueError, match="num_eval_images=20 is more than"):
        found(20)


def test_a_heaps_split_is_another(tmp_path):
    write(tmp_path / "images", "records", *PARTS, "dev")
    write(tmp_path / "heap", "records", "dev")
    config = DataConfig(
        "ours",
        label_data_dir=str(tmp_path / "images"),
        unlabel_image_dir=str(tmp_path / "heap"),
        unlabel_split="dev",
        num_label_classes=2,
    )
    assert open_validation(config).num_images == 5


def test_the_digits_have_none():
    assert open_validation(DataConfig("digits")) is None


def test_a_data_set_of_tensorflow_datasets(cifar_dir):
    config = DataConfig("cifar10", tfds_data_dir=cifar_dir)
    assert open_validation(config) is None
    config = DataConfig(
        "cifar10", tfds_data_dir=cifar_dir, validation_split="train[:30]"
    )
    assert open_validation(config).num_images == 30


def test_other_classes_are_refused(tmp_path):
    write(tmp_path, "folders", *PARTS)
    write_folders(tmp_path, {"dev/c": 1})
    with pytest.raises(ValueError, match="labelled images; c are not"):
        open_validation(DataConfig("ours", label_data_dir=str(tmp_path)))


@pytest.mark.parametrize("kind", ["folders", "records"])
@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, None),
        ({"validation_split": "dev"}, None),
        ({"label_split": "train[1:]", "validation_split": "train[:1]"}, None),
        ({"validation_split": "train[:1]"}, "no image of label_split='train'"),
        ({"validation_split": "dev+test[:1]"}, "no image of test_split='test'"),
        (
            {"test_split": "dev[1:]", "validation_split": "dev[:2]"},
            r"test_split='dev\[1:\]'; name parts of a split",
        ),
    ],
)
def test_models_are_chosen_by_images_apart(kind, settings, complaint, tmp_path):
    write(tmp_path, kind, *PARTS, "dev")
    config = DataConfig(
        "ours", label_data_dir=str(tmp_path), num_label_classes=2, **settings
    )
    if complaint is None:
        return check_apart(config)
    with pytest.raises(ValueError, match=complaint):
        check_apart(config)


def test_parts_of_a_data_set_are_apart(cifar_dir):
    settings = {"tfds_data_dir": cifar_dir, "validation_split": "train[:90]"}
    check_apart(DataConfig("cifar10", label_split="train[90:]", **settings))
    with pytest.raises(ValueError, match="no image of label_split='train'"):
        check_apart(DataConfig("cifar10", **settings))
