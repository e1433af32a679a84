import json
import pathlib
import subprocess
import sys

import pytest

from tools.benchmarks import digits_seeds, kills


def results(seed, *accuracies):
    return {
        "seed": seed,
        "generations": [
            {"generation": i, "top_1_accuracy": accuracy, "seconds": 10}
            for i, accuracy in enumerate(accuracies)
        ],
    }


def test_the_gain_is_the_mean_of_the_last_student_less_the_teacher(capsys):
    runs = [results(0, 0.8, 0.7, 0.9), results(1, 0.9, 0.9, 0.94)]
    summary = digits_seeds.summarize(runs)
    assert summary["gain"] == pytest.approx(7.0)
    assert summary["teacher"] == 85.0 and summary["student"] == 92.0
    assert summary["gain_std"] == pytest.approx(3.0)
    assert summary["seconds"] == 30
    digits_seeds.print_table(runs)
    header, first, _ = capsys.readouterr().out.strip("\n").split("\n")
    names = "seed teacher student 1 student 2 gain"
    assert header.split() == names.split()
    assert first.split() == ["0", "80.00", "70.00", "90.00", "10.00"]


def test_the_state_of_a_run_is_its_generations_and_steps(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(results(0, 0.5, 0.6)))
    for generation in (0, 1):
        folder = tmp_path / f"generation_0{generation}"
        folder.mkdir()
        lines = [{"step": 5}, {"step": 10 + generation}]
        (folder / "metrics.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in lines)
        )
    assert kills.final_state(tmp_path) == {
        "generations": [0, 1],
        "steps": [10, 11],
        "top_1": [0.5, 0.6],
    }


@pytest.mark.slow
def test_killed_at_random_moments_a_run_ends_the_same():
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "tools.benchmarks.kills",
            "--kills=3",
            "--within_seconds=50",
            "--",
            "--num_iterations=1",
            "--teacher_train_steps=200",
            "--train_steps=100",
            "--save_checkpoints_steps=20",
        ],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout.strip().split("\n")[-1])
    assert outcome["same_generations_and_steps"]
    assert outcome["same_accuracies"]
    assert outcome["kills"] > 0
