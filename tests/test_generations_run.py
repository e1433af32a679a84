"""Self-training as the paper has it, from end to end: see the flags."""

import json

import pytest

from noisy_student import models, pseudo_labels
from tests.data.directories import write_folders
from tests.scripts import TINY, error_of, run

FLAGS = (
    "--mode=self_train",
    "--num_iterations=2",
    "--input_image_size=32",
    "--width_coefficient=0.1",
    "--depth_coefficient=0.1",
    "--train_batch_size=4",
    "--unlabel_ratio=1",
    "--train_steps=3",
    "--warmup_epochs=0",
    "--teacher_softmax_temp=1",
    "--moving_average_decay=0.5",
    "--num_image=10",
    "--min_threshold=0",
    "--num_shards=2",
    "--student_input_image_sizes=32,36",
    "--student_unlabel_ratios=1,2",
    "--student_train_steps=2,1",
    "--finetune_input_image_sizes=40,0",
    "--finetune_steps=1",
    "--finetune_fix_layer_num=1",
    "--finetune_unlabel_ratio=1",
    "--filter_once",
    "--next_teacher=best",
    "--early_stopping_students=0",
    "--validation_split=validation",
    "--keep_pseudo_labels=last",
)


def steps(directory):
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return json.loads(lines[-1])["step"]


@pytest.mark.slow
def test_generations_differ_and_are_fine_tuned(tmp_path):
    images, runs = tmp_path / "photos", tmp_path / "run"
    splits = {"train": 4, "validation": 2, "test": 3}
    folders = {f"{s}/{c}": n for s, n in splits.items() for c in "ab"}
    write_folders(images, folders | {"unlabelled": 20})
    command = [*FLAGS, f"--label_data_dir={images}", f"--model_dir={runs}"]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "fine-tune student 1" in done.stderr
    _, first, second = json.loads((runs / "results.json").read_text())[
        "generations"
    ]
    assert first["input_image_size"] == 40
    assert first["before_fine_tuning"] is not None
    assert second["input_image_size"] == 36
    assert second["before_fine_tuning"] is None
    assert first["validation"]["num_images"] == 4
    labels = [row["pseudo_labels"] for row in (first, second)]
    assert labels[0]["records"] == labels[1]["records"]
    tuned = models.load_model(runs / "generation_01/finetune/model.keras")
    trained = models.load_model(runs / "generation_01/model.keras")
    assert tuned.input_shape[1] == 40 and trained.input_shape[1] == 32
    for layer, same in (("stem", True), ("blocks_0", True), ("logits", False)):
        pairs = zip(
            tuned.get_layer(layer).get_weights(),
            trained.get_layer(layer).get_weights(),
            strict=True,
        )
        assert all((a == b).all() for a, b in pairs) == same, layer
    assert steps(runs / "generation_01") == 2
    assert steps(runs / "generation_01/finetune") == 1
    assert steps(runs / "generation_02") == 1
    # The first one's labels are gone, but not what they came to.
    earlier, last = (runs / f"generation_0{i}/pseudo_labels" for i in (1, 2))
    with pytest.raises(ValueError, match="train-00000-of-00002 is missing"):
        pseudo_labels.record_paths(earlier)
    assert not (earlier / "predictions").exists()
    assert len(pseudo_labels.record_paths(last)) == 2
    again = run(*command)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(f"{runs} is finished:\n")


@pytest.mark.slow
def test_every_generation_is_measured_on_disturbed_images(tmp_path):
    command = [
        *TINY,
        "--evaluate_robustness",
        "--corruption_types=fog",
        "--perturbation_types=tilt",
        "--num_frames=3",
        f"--model_dir={tmp_path}",
    ]
    done = run(*command, "--num_robustness_images=20", "--attacks=fgsm")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "results.json").read_text())["generations"]
    for row in rows:
        for name in ("corrupted_accuracy", "fgsm_4_accuracy"):
            assert (20 * row[name]) == pytest.approx(round(20 * row[name]))
        # Of each image's 3 frames, none or one or both of the last flip.
        flips = 40 * row["mean_flip_probability"]
        assert flips == pytest.approx(round(flips))
        assert "pgd_4_accuracy" not in row
    # Others would not compare with these.
    done = run(*command, "--num_robustness_images=30", "--num_iterations=2")
    assert "num_robustness_images=20 there and 30 here" in error_of(done)
