"""Labels that stand in a table."""

import csv

import pytest

from noisy_student.config import DataConfig
from noisy_student.data.open import open_task
from tests.data.directories import write_folders


@pytest.fixture
def heap(tmp_path):
    """Photographs in any folders, and a way to open them with a table."""
    write_folders(tmp_path / "heap", {"x/y": 6, "z": 4})

    def opened(rows, header=("path", "class"), **settings):
        table = tmp_path / "labels.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        config = DataConfig(
            label_data_dir=str(tmp_path / "heap"),
            labels_csv=str(table),
            **settings,
        )
        return open_task(config, 0)

    return opened


def names(source):
    return sorted("/".join(path.split("/")[-2:]) for path in source.paths)


ROWS = [
    ("x/y/000.jpg", "cat", "train"),
    ("z/001.jpg", "dog", ""),
    ("x/y/005.jpg", "dog", "test"),
    ("./z/003.jpg", "cat", "test"),
    ("z/000.jpg", "", "train"),
]


def test_the_table_says_class_and_split(heap):
    data = heap(ROWS, ("path", "class", "split"))
    assert data.class_names == ("cat", "dog")
    assert names(data.labeled) == ["y/000.jpg", "z/001.jpg"]
    assert sorted(data.labeled.labels()) == [0, 1]
    assert names(data.test) == ["y/005.jpg", "z/003.jpg"]
    # All others, also the one without a class.
    assert data.unlabeled.num_images == 6
    assert "z/000.jpg" in names(data.unlabeled)


def test_without_splits_some_are_held_out_to_test(heap):
    """Columns may be in any order, with others between them."""
    rows = [
        (f"{number % 2}.5", f"x/y/00{number}.jpg", f"class {number % 2}")
        for number in range(6)
    ]
    data = heap(rows, ("probability", "path", "class"), test_fraction=0.34)
    assert (data.labeled.num_images, data.test.num_images) == (4, 2)
    assert data.unlabeled.num_images == 4
    header = ("probability", "path", "class")
    corrected = heap(rows[:-1], header, test_fraction=0.4)
    assert corrected.identity["labels_csv"] != data.identity["labels_csv"]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (ROWS, ("file", "class", "split"), "begin with the line path,class"),
        ([("no.jpg", "cat")], ("path", "class"), "is no image in .*: .*no.jpg"),
        (
            [("z/000.jpg", "cat"), ("z/../z/000.jpg", "dog")],
            ("path", "class"),
            r"has z/../z/000.jpg twice \(line 3\)",
        ),
        ([("z/000.jpg", "")], ("path", "class"), "gives none"),
        (
            [(*row[:2], "dev") for row in ROWS[:1]],
            ("path", "class", "split"),
            "'train' is no split of .*labels.csv",
        ),
    ],
)
def test_what_is_wrong_with_a_table(heap, rows, header, message):
    with pytest.raises(ValueError, match=message):
        heap(rows, header)


def test_a_table_needs_its_images(tmp_path):
    with pytest.raises(ValueError, match="needs label_data_dir"):
        DataConfig(labels_csv="labels.csv")
    config = DataConfig(label_data_dir=str(tmp_path), labels_csv="no.csv")
    with pytest.raises(ValueError, match="labels_csv: there is no file"):
        open_task(config, 0)
