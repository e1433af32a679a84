import pytest

from noisy_student.errors import InputError
from noisy_student.files import metrics_file


def test_lines_are_read_as_they_were_added(tmp_path):
    assert metrics_file.read(tmp_path) == []
    lines = [{"step": step, "top_1_accuracy": step / 10} for step in (3, 6, 9)]
    for line in lines:
        metrics_file.append(tmp_path, line)
    assert metrics_file.read(tmp_path) == lines
    metrics_file.drop_after(tmp_path, 6)
    assert metrics_file.read(tmp_path) == lines[:2]


def test_a_line_that_was_cut_short_is_left_out(tmp_path):
    metrics_file.append(tmp_path, {"step": 3})
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 6, "top_1')
    assert metrics_file.read(tmp_path) == [{"step": 3}]
    metrics_file.drop_after(tmp_path, 3)  # as a run does that goes on
    metrics_file.append(tmp_path, {"step": 6})
    assert metrics_file.read(tmp_path) == [{"step": 3}, {"step": 6}]


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(InputError, match=r"metrics\.jsonl"):
        metrics_file.append(tmp_path, {"step": 3})
