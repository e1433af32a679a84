import functools
import io
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from noisy_student import models
from tests.scripts import ROOT
from tools.benchmarks import (
    digits_seeds,
    growth,
    input_pipeline,
    kills,
    local_cluster,
    loop,
    photographs,
    pil_rand_augment,
    train_step,
    turns,
)


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
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout.strip().split("\n")[-1])
    assert outcome["same_generations_and_steps"]
    assert outcome["same_accuracies"]
    assert outcome["kills"] > 0


@pytest.mark.parametrize(
    ("name", "billions"), [("efficientnet-b0", 0.39), ("efficientnet-b1", 0.70)]
)
def test_multiply_adds_are_the_papers(name, billions):
    """Table 2 of EfficientNet (arXiv 1905.11946)."""
    model = models.build_model(growth.model_config(name))
    count = growth.multiply_adds(model)
    assert count / 1e9 == pytest.approx(billions, abs=0.02)


@pytest.mark.parametrize(("side", "small"), [(224, False), (32, True)])
def test_the_stock_model_is_the_same_network(side, small):
    stock = train_step.stock_model(side, small)
    ours = models.build_model(
        growth.model_config("efficientnet-b0", side, small)
    )
    sizes = [
        sum(math.prod(v.shape) for v in model.trainable_variables)
        for model in (stock, ours)
    ]
    assert sizes[0] == sizes[1]
    last = stock.get_layer("top_conv").output.shape
    assert tuple(ours.get_layer("head").output.shape) == tuple(last)


def test_sides_take_as_many_turns_and_the_median_counts():
    # A side whose turns give 1, 2, 3, ..., of functions that can be pickled.
    rising = functools.partial(functools.partial, next, iter([1.0, 2.0, 9.0]))
    medians = turns.compare({"a": rising, "b": rising}, rounds=3)
    assert medians == {"a": 2.0, "b": 2.0}


@pytest.mark.parametrize("side", [32, 224])
def test_windows_of_photographs_are_different(side):
    images = photographs.windows(side, 6)
    assert images.shape == (6, side, side, 3) and images.dtype == np.uint8
    assert len(np.unique(images.reshape(6, -1), axis=0)) == 6
    assert (images.std(axis=(1, 2, 3)) > 5).all()


def test_pils_policy_draws_all_operations():
    images = np.repeat(photographs.windows(32, 1), 64, axis=0)
    noised = pil_rand_augment.rand_augment(0, images, 1, 15, 4.0, 4.0)
    assert noised.shape == images.shape and noised.dtype == np.uint8
    assert len(np.unique(noised.reshape(64, -1), axis=0)) > 12


def test_the_compared_pipelines_yield_batches_of_one_form():
    encoded = photographs.jpegs(500, 375, 4)
    assert Image.open(io.BytesIO(encoded[0])).size == (500, 375)
    ours = input_pipeline.our_pipeline(encoded, "none", 1)
    images = next(iter(ours))["image"]
    assert images.shape == (64, 224, 224, 3) and images.dtype == tf.uint8
    plain = input_pipeline.plain_pipeline(encoded, 1)
    assert plain.element_spec[0].shape == (64, 224, 224, 3)


def test_the_distance_from_a_line_is_relative():
    sizes = (16, 32, 64)
    assert loop.distance_from_line(sizes, [3.0, 5.0, 9.0]) < 1e-9
    bent = loop.distance_from_line(sizes, [3.0, 5.0, 11.0])
    assert 0.02 < bent < 0.2


def test_workers_of_this_machine_have_ports_of_their_own():
    configs = [
        json.loads(environment["TF_CONFIG"])
        for environment in local_cluster.environments(3)
    ]
    assert [config["task"]["index"] for config in configs] == [0, 1, 2]
    assert len(set(configs[0]["cluster"]["worker"])) == 3
    assert all(c["cluster"] == configs[0]["cluster"] for c in configs)


def test_no_two_benchmarks_define_the_same_flag():
    names = [
        f"tools.benchmarks.{path.stem}"
        for path in pathlib.Path(turns.__file__).parent.glob("*.py")
        if path.stem != "__init__"
    ]
    code = f"import flags, {', '.join(names)}"
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120
    )
