"""What a run would take, before it is begun."""

import re

import pytest

from tests.scripts import TINY, error_of, run

SEPARATE = re.compile(r"  +")


@pytest.mark.slow
def test_images_steps_time_and_disk_are_told(tmp_path):
    done = run(
        *TINY,
        "--dry_run",
        "--num_labeled=500",
        "--student_train_steps=4",
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    lines = done.stdout.strip().split("\n")
    rows = [SEPARATE.split(line.strip()) for line in lines]
    assert rows[0] == ["class", "train", "test", "validation"]
    assert [row[0] for row in rows[1:11]] == [*map(str, range(10))]
    assert all(int(row[1]) == 45 and int(row[3]) == 5 for row in rows[1:11])
    assert rows[11] == ["all", "450", "400", "50"]
    assert lines[12] == "897 unlabelled images."
    assert lines[13] == "50 of 500 labelled images are held out to validate."
    assert rows[14][:3] == ["training", "model", "side"]
    teacher, student = rows[15:17]
    assert teacher[:5] == [
        "the first teacher",
        "tests.networks:tiny",
        "8",
        "10",
        "6",
    ]
    assert student[:5] == ["student 1", "tests.networks:tiny", "8", "30", "4"]
    assert all(float(row[5]) > 0 for row in (teacher, student))
    assert re.fullmatch(
        r"About \d+ minutes on these devices, and \d+\.\d GB beside the "
        "pseudo-labelled images.",
        lines[17],
    )
    assert len(lines) == 18


@pytest.mark.slow
def test_a_teacher_that_is_taken_over_takes_no_time(finished, tmp_path):
    done = run(
        *TINY,
        "--dry_run",
        f"--teacher_run_dir={finished.directory}",
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 0, done.stderr
    assert "student 1  tests.networks:tiny" in done.stdout
    assert "the first teacher" not in done.stdout


def test_other_modes_have_none():
    error = error_of(run("--mode=export", "--dry_run", "--export_dir=/none"))
    assert "dry_run is for mode=self_train and mode=train" in error
