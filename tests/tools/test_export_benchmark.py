"""The benchmark of exports prints what it says."""

import json

import pytest

from tests.scripts import python


@pytest.mark.slow
def test_the_times_and_the_ratios():
    process = python(
        "-m", "tools.benchmarks.export", "--export_sides=32", "--rounds=1"
    )
    assert process.returncode == 0, process.stderr
    lines = [
        line
        for line in process.stdout.split("\n")
        if line.startswith("   32 px")
    ]
    assert ["batch  1:" in line for line in lines] == [True] * 2 + [False] * 2
    ratios = json.loads(process.stdout.strip().split("\n")[-1])
    assert list(ratios) == ["saved_model", "onnx", "bytes"]
    assert all(ratio > 0 for ratio in ratios.values())
