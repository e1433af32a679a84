"""The script, on a run of self-training as small as it goes."""

import re

import pytest

from tests.report import made_run
from tests.scripts import TINY, error_of, python, run


@pytest.mark.slow
def test_a_run_has_a_report(finished, tmp_path):
    assert f"The report is {finished.directory / 'report.html'}.\n" in (
        finished.process.stdout
    )
    directory = finished.copy(tmp_path / finished.directory.name)
    path = directory / "report.html"
    at_end = path.read_text().replace(str(finished.directory), str(directory))
    path.unlink()
    chart = tmp_path / "chart.svg"
    made = python(
        "tools/report.py", f"--model_dir={directory}", f"--chart={chart}"
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"The report is {path}.\n"
    time = re.compile(r"Report of [^.]*\.")
    assert time.sub("", path.read_text()) == time.sub("", at_end)
    assert at_end.count("<svg") == 6 and "<img" in at_end
    assert "cannot be read again" not in at_end
    assert len(at_end) < 5e6
    assert chart.read_text().startswith("<svg")
    teacher = python(
        "tools/report.py", f"--model_dir={directory / 'generation_00'}"
    )
    assert teacher.returncode == 0, teacher.stderr
    # The run itself is as it was.
    again = run(*TINY, f"--model_dir={directory}")
    assert "is finished" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_dir=/no/run"], "There is no run in /no/run"),
        ([], "model_dir must be set"),
        (["--images_per_class=-1"], "images_per_class must be at least 0"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    process = python("tools/report.py", *arguments, timeout=120)
    assert message in error_of(process)


def test_damaged_results_are_one_line(tmp_path):
    made_run.make(tmp_path / "run")
    (tmp_path / "run/results.json").write_text('{"generations"')
    process = python("tools/report.py", f"--model_dir={tmp_path / 'run'}")
    assert f"{tmp_path / 'run/results.json'} is damaged" in error_of(process)
    assert not (tmp_path / "run/report.html").exists()
