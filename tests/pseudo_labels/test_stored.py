"""Records to train on: found, checked and opened, whoever wrote them."""

import numpy as np
import pytest

from noisy_student import pseudo_labels
from noisy_student.data import records, tfrecords
from noisy_student.errors import InputError
from noisy_student.files import shards
from tests.pseudo_labels.made import (
    IDENTITY,
    PROBABILITIES,
    run,
    write_images,
)


@pytest.mark.parametrize("fault", ["cut", "missing"])
def test_records_that_are_not_what_was_written_are_refused(tmp_path, fault):
    run(tmp_path)
    path = tmp_path / "out/data/train-00001-of-00002"
    whole = path.read_bytes()
    if fault == "cut":
        path.write_bytes(whole[: len(whole) // 2])
        message = f"{path} has {len(whole) // 2} bytes .* record at byte "
    else:
        path.unlink()
        message = f"{path} is missing"
    with pytest.raises(ValueError, match=message):
        pseudo_labels.record_paths(tmp_path / "out")
    (tmp_path / "out/stats.json").unlink()
    run(tmp_path)
    assert path.read_bytes() == whole


def test_pseudo_labels_of_other_images_are_no_training_data(tmp_path):
    run(tmp_path)
    pseudo_labels.check_records(tmp_path / "out", IDENTITY)
    # Training does not open the unlabelled images.
    heap = {"unlabel_image_dir": "/heap", "unlabel_split": None}
    pseudo_labels.check_records(tmp_path / "out", IDENTITY | heap)
    with pytest.raises(ValueError, match=r"seed=1 there and 2 here.* test"):
        pseudo_labels.check_records(tmp_path / "out", IDENTITY | {"seed": 2})


def test_files_of_an_earlier_division_are_not_read(tmp_path):
    run(tmp_path)
    (tmp_path / "out/data/train-00000-of-00005").write_bytes(b"left over")
    names = [path[-5:] for path in pseudo_labels.record_paths(tmp_path / "out")]
    assert names == ["00002", "00002"]


def write_original(directory, *names, rows=PROBABILITIES[:4]):
    """Files of pseudo-labelled records, with nothing beside them."""
    for name in names:
        with shards.shard_writer(directory / name) as writer:
            for row in rows:
                label = int(row.argmax())
                writer.write(records.encode_pseudo_labeled(b"x", label, row))
    return directory


def test_files_of_the_original_are_all_found(tmp_path):
    """Of any task, -1 for none, though shards that kept nothing lack files."""
    names = ["train--1-00003-of-00128", "train-7-00000-of-00128"]
    write_original(tmp_path, *names, "train-info-00000-of-00001", "test-0")
    paths = pseudo_labels.record_paths(tmp_path)
    assert [path.split("/")[-1] for path in paths] == names
    source = pseudo_labels.open_records(tmp_path, 3, need_labels=True)
    assert source.num_images == 8
    found = list(source.read().as_numpy_iterator())
    np.testing.assert_array_equal(
        [example["probabilities"] for example in found],
        np.concatenate([PROBABILITIES[:4]] * 2),
    )


def test_raw_files_must_all_be_there(tmp_path):
    write_original(tmp_path, "extra-00001-of-00002")
    with pytest.raises(ValueError, match="must hold all 2 files of extra"):
        pseudo_labels.record_paths(tmp_path)


def test_files_elsewhere_are_pointed_at(tmp_path):
    write_original(tmp_path / "filter_data/data", "train-0-00000-of-00001")
    place = tmp_path / "filter_data/data"
    with pytest.raises(ValueError, match=f"there are such files in {place}"):
        pseudo_labels.record_paths(tmp_path)


def test_unfinished_filtering_is_no_training_data(tmp_path):
    run(tmp_path)
    (tmp_path / "out/stats.json").unlink()
    for directory in (tmp_path / "out", tmp_path / "out/data"):
        with pytest.raises(ValueError, match="did not finish"):
            pseudo_labels.record_paths(directory)


def test_images_without_pseudo_labels_need_a_teacher(tmp_path):
    [path] = write_images(tmp_path, 1)
    raw, zero = tmp_path / "raw", tmp_path / "zero"
    raw.mkdir()
    path.rename(raw / "extra-00000-of-00001")
    nothing = np.zeros([5, 3], np.float32)
    write_original(zero, "extra-00000-of-00001", rows=nothing)
    for directory, number in ((raw, 300), (zero, 5)):
        with pytest.raises(ValueError, match="has no pseudo labels"):
            pseudo_labels.open_records(directory, 3, need_labels=True)
        source = pseudo_labels.open_records(directory, 3, need_labels=False)
        assert isinstance(source, tfrecords.RecordSource)
        assert source.num_images == number


@pytest.mark.parametrize("need_labels", [True, False])
def test_labels_of_other_classes_are_refused(tmp_path, need_labels):
    write_original(tmp_path, "train-0-00000-of-00001")
    with pytest.raises(InputError, match=r"of 3 classes, and .* 10; filter"):
        pseudo_labels.open_records(tmp_path, 10, need_labels)


def test_damaged_files_of_the_original_are_refused(tmp_path):
    write_original(tmp_path, "train-0-00000-of-00001")
    path = tmp_path / "train-0-00000-of-00001"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=f"{path} is cut off in the record"):
        pseudo_labels.open_records(tmp_path, 3, need_labels=True)
    path.write_bytes(whole[:12] + bytes(20) + whole[32:])
    with pytest.raises(InputError, match=f"first record of {path} is damaged"):
        pseudo_labels.open_records(tmp_path, 3, need_labels=True)


def test_workers_need_a_record_each(tmp_path):
    write_original(tmp_path, "train-0-00000-of-00001")
    pseudo_labels.check_records(tmp_path, IDENTITY, workers=4)
    with pytest.raises(ValueError, match="5 workers cannot share the 4 rec"):
        pseudo_labels.check_records(tmp_path, IDENTITY, workers=5)


def test_filtered_images_are_told_from_others(tmp_path):
    write_original(tmp_path, "train-0-00000-of-00001")
    first = pseudo_labels.reassigned_from(tmp_path)
    assert pseudo_labels.reassigned_from(tmp_path) == first
    write_original(tmp_path, "train-0-00000-of-00001", rows=PROBABILITIES[:5])
    assert pseudo_labels.reassigned_from(tmp_path) != first
    (tmp_path / "more").mkdir()
    filtered = run(tmp_path / "more")
    ours = pseudo_labels.reassigned_from(tmp_path / "more/out")
    (tmp_path / "more/out/stats.json").unlink()
    assert run(tmp_path / "more").files == filtered.files
    # The second one took other seconds.
    assert pseudo_labels.reassigned_from(tmp_path / "more/out") == ours
