import functools
import io
import json
import math
import multiprocessing
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import flags as absl_flags
from absl.testing import flagsaver
from PIL import Image

import tools.benchmarks.filter  # noqa: F401 (defines --sizes)
from noisy_student import models, noise
from tests.noise import pil_ops
from tests.scripts import ROOT
from tools.benchmarks import (
    growth,
    input_pipeline,
    local_cluster,
    loop,
    photographs,
    pil_peer,
    train_step,
    turns,
)


@pytest.mark.slow
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


def in_a_pool():
    """A side that starts processes of its own, as PIL's does."""
    pool = multiprocessing.get_context("spawn").Pool(1)
    return functools.partial(pool.apply, float, ["3"])


@pytest.mark.slow
def test_a_side_may_start_processes():
    assert turns.compare({"pool": in_a_pool}, rounds=2) == {"pool": 3.0}


def test_a_side_that_fails_is_named():
    with pytest.raises(RuntimeError, match="The side b has failed"):
        turns.compare(
            {"a": functools.partial(float, "1"), "b": sys.exit}, rounds=1
        )


def test_lists_of_choices_are_checked_and_the_last_counts():
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["loop", "--costs=loop", "--costs=memory,linear"])
        assert absl_flags.FLAGS.costs == ["memory", "linear"]
        with pytest.raises(absl_flags.IllegalFlagValueError, match="a list of"):
            absl_flags.FLAGS(["loop", "--costs=speed"])
        for bad in ("0", "10,many", "-1"):
            with pytest.raises(
                absl_flags.IllegalFlagValueError, match="whole numbers above 0"
            ):
                absl_flags.FLAGS(["filter", f"--sizes={bad}"])


@pytest.mark.parametrize("side", [32, 224])
def test_windows_of_photographs_are_different(side):
    images = photographs.windows(side, 6)
    assert images.shape == (6, side, side, 3) and images.dtype == np.uint8
    assert len(np.unique(images.reshape(6, -1), axis=0)) == 6
    assert (images.std(axis=(1, 2, 3)) > 5).all()


@pytest.mark.parametrize("magnitude", [0, 5, 15, 30])
@pytest.mark.parametrize("name", noise.OP_NAMES)
def test_the_peer_in_pil_has_the_operations_of_the_truth(name, magnitude):
    image = Image.fromarray(photographs.windows(32, 1)[0])
    peer = pil_peer.operations(magnitude, 4.0, 4.0)[name]
    for sign in (1, -1):
        expected = pil_ops.apply_op(
            name, image, magnitude, sign, (10, 20), 4.0, 4.0
        )
        np.testing.assert_array_equal(peer(image, sign, (10, 20)), expected)


def test_pils_policy_draws_all_operations():
    images = np.repeat(photographs.windows(32, 1), 64, axis=0)
    operations = pil_peer.operations(15, 4.0, 4.0)
    assert set(operations) == set(noise.OP_NAMES)
    noised = pil_peer.rand_augment(0, images, 1, [*operations.values()])
    assert noised.shape == images.shape and noised.dtype == np.uint8
    assert len(np.unique(noised.reshape(64, -1), axis=0)) > 12


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_two_benchmarks_define_the_same_flag():
    names = [
        f"tools.benchmarks.{path.stem}"
        for path in pathlib.Path(turns.__file__).parent.glob("*.py")
        if path.stem != "__init__"
    ]
    code = f"import flags, {', '.join(names)}"
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, timeout=400
    )
