"""Statistics, and the checks of records to train on."""

import json

import pytest

from noisy_student import pseudo_labels
from tests.pseudo_labels.made import IDENTITY, run


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


def test_stats_come_back_from_disk(tmp_path):
    stats = run(tmp_path)
    assert pseudo_labels.PseudoLabelStats.load(tmp_path / "out") == stats
    on_disk = json.loads((tmp_path / "out/stats.json").read_text())
    assert on_disk["kept"] == stats.kept
