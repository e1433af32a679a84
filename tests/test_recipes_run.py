"""Each recipe takes a step of every stage, on a few images of noise."""

import json

import pytest

from noisy_student import models
from tests.data.directories import write_records
from tests.scripts import run

# Networks and batches as small as they go; what is left is the recipe's.
SHORT = (
    "--width_coefficient=0.1",
    "--depth_coefficient=0.1",
    "--train_batch_size=1",
    "--train_steps=1",
    "--train_ratio=1",
    "--warmup_epochs=0",
    "--num_image=4",
    "--min_threshold=0",
    "--num_shards=1",
    "--eval_batch_size=4",
    "--iterations_per_loop=1",
)
L2 = (
    "--input_image_size=32",
    "--student_width_coefficients=0.1",
    "--student_depth_coefficients=0.1",
    "--student_input_image_sizes=36",
    "--finetune_input_image_sizes=40",
    "--finetune_fix_layer_num=3",
)
IMAGENET = ("--input_image_size=32",)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Records of three classes, all of one size, and unlabelled ones."""
    root = tmp_path_factory.mktemp("images")
    for split, count in (("train", 3), ("test", 2), ("extra", 4)):
        write_records(root, split, [count], side=32)
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides", "resolutions"),
    [
        ("svhn", (), [32, 32]),
        # Those between differ in numbers alone; see tests/flags.
        ("imagenet/b0", IMAGENET, [32, 32]),
        ("imagenet/b7", IMAGENET, [32, 32]),
        ("imagenet/l2", L2, [32, 40, 40, 40]),
    ],
)
def test_a_recipe_takes_its_steps(
    name, overrides, resolutions, images, tmp_path
):
    done = run(
        f"--flagfile=flags/recipes/{name}.cfg",
        *SHORT,
        *overrides,
        f"--label_data_dir={images}",
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run/results.json").read_text())
    rows = results["generations"]
    assert [row["input_image_size"] for row in rows] == resolutions
    assert all(row["pseudo_labels"]["kept"] for row in rows[1:])
    model = models.load_model(tmp_path / "run/model.keras")
    assert model.input_shape[1] == resolutions[-1]
    assert model.output_shape[1] == (10 if name == "svhn" else 1000)
