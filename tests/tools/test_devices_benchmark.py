"""The benchmark of devices measures what it says, and little on a CPU."""

import dataclasses
import json

import pytest
from absl import app
from absl import flags as absl_flags
from absl.testing import flagsaver

from noisy_student.errors import InputError
from tests.scripts import python
from tools.benchmarks import device_cases, devices, turns
from tools.benchmarks.device_cases import Found


def plan(kind, number, *arguments):
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["devices", *arguments])
        return devices.Plan.of(Found(kind, number, "made up"))


def test_gpus_are_measured_along_all_axes():
    found = plan("GPU", 6)
    assert found.counts == [1, 2, 4, 6]
    cases = list(found.training())
    assert len({*cases}) == len(cases) == 2 * 3 * 2
    assert {(case.model, case.batch, case.side) for case in cases} == {
        ("efficientnet-b0", 64, None),
        ("efficientnet-b7", 4, None),
    }
    assert cases[0].config().input_image_size is None
    assert {case.config().precision for case in cases} == {
        "float32",
        "bfloat16",
        "float16",
    }
    assert all(case.devices == 1 and case.steps == 50 for case in cases)


def test_a_tpu_is_taken_whole_and_compiled():
    found = plan("TPU", 8)
    assert found.counts == [8]
    assert {case.compiled for case in found.training()} == {True}
    assert {case.devices for case in found.training()} == {None}


def test_a_cpu_measures_little_and_flags_decide():
    [case] = plan("CPU", 1).training()
    assert (case.model, case.side, case.steps) == ("efficientnet-b0", 32, 2)
    found = plan(
        "CPU",
        1,
        "--device_models=efficientnet-b1",
        "--device_jit=false,true",
        "--device_batch=3",
        "--device_side=64",
        "--device_counts=2",
    )
    first, second = found.training()
    assert (first.compiled, second.compiled) == (False, True)
    assert (first.model, first.batch, first.side) == ("efficientnet-b1", 3, 64)
    assert found.counts == [2]


@pytest.mark.parametrize(
    "argument",
    [
        "--device_models=efficientnet-b9",
        "--device_precisions=float8",
        "--device_jit=yes",
        "--device_counts=none",
    ],
)
def test_what_is_not_measured_is_refused(argument):
    with pytest.raises(absl_flags.IllegalFlagValueError, match="must be a li"):
        plan("GPU", 2, argument)


@pytest.mark.parametrize(
    ("kind", "counts", "message"),
    [
        ("GPU", "1,8", "device_counts=1,8: there are 4 x GPU."),
        ("TPU", "1", "device_counts=1: there are 4 x TPU, which are taken wh"),
    ],
)
def test_more_devices_than_there_are_cannot_be_measured(kind, counts, message):
    """They would be told of as if they were there."""
    with pytest.raises(app.UsageError, match=message):
        plan(kind, 4, f"--device_counts={counts}")
    assert plan("GPU", 4, "--device_counts=2").counts == [2]


@pytest.fixture
def made_up(monkeypatch):
    """Figures in place of measurements: a device's first comes at 10."""

    def in_process(function, case):
        if case.devices == 4:
            raise InputError("There is not enough memory for 8 images.")
        speed = {1: 10.0, 2: 15.0, None: 12.0}[case.devices]
        if function == device_cases.read_files:
            speed = 11.0
        return {"images_per_second": speed}

    monkeypatch.setattr(turns, "in_process", in_process)


def test_scaling_is_a_share_of_so_many_times_the_first(made_up, capsys):
    results = devices.Results()
    found = plan("GPU", 4)
    assert devices.measure_scaling(found, results) == {
        "1": 1.0,
        "2": 0.75,
        "4": 0.0,
    }
    assert "error" in results.rows[-1]
    assert "There is not enough memory for 8 images." in capsys.readouterr().out
    alone = dataclasses.replace(found, counts=[4])
    assert devices.measure_scaling(alone, results) == {}


def test_the_slower_of_input_and_step_bounds_training(made_up):
    results = devices.Results()
    found = devices.measure_input(plan("GPU", 1), results)
    bound = {"bound_by": "input", "input": 11, "both": 12}
    assert found == {"step": 12, "host": bound, "device": bound}
    forms = [row["noise"] for row in results.rows]
    assert forms == ["compiled", "compiled", "compiled", "device", "device"]
    assert plan("TPU", 8).noises == ["uncompiled", "device"]


@pytest.mark.slow
def test_the_last_line_holds_all_figures():
    process = python(
        "-m",
        "tools.benchmarks.devices",
        "--measures=noise,train",
        "--rounds=1",
        "--device_steps=1",
        "--device_batch=2",
    )
    assert process.returncode == 0, process.stderr
    first, *lines, last = process.stdout.strip().split("\n")
    assert first.startswith("Devices: 1 x CPU")
    rows = json.loads(last)["rows"]
    kinds = ["noise on host", "noise on device", "train"]
    assert [row["what"] for row in rows] == kinds
    for row, line in zip(rows, lines, strict=True):
        assert row["images_per_second"] > 0
        assert line.strip().startswith(row["what"])
