"""Labels of a folder of images, against Keras' predictions of PIL's images."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from noisy_student import config, models, stages
from noisy_student.config import ExperimentConfig
from tests.conftest import FIXTURES
from tests.data.directories import encode, exif_of, photo, write_folders
from tests.scripts import error_of, run
from tests.stages import svhn

NAMES = tuple(f"kind {number}" for number in range(7))


def save_model(path, side=40, classes=7, small=False):
    """Saves a fresh model."""
    keras.utils.set_random_seed(1)
    model = models.build_model(
        config.ModelConfig(
            width_coefficient=0.1,
            depth_coefficient=0.1,
            num_classes=classes,
            input_image_size=side,
            small_image_model=small,
        )
    )
    models.save_model(model, path)
    return model


def decide(model, pixels):
    """Gives a fresh model opinions that depend on the images."""
    logits = model.predict(pixels, verbose=0)
    head = model.get_layer("logits")
    head.kernel.assign(head.kernel * (2 / logits.std(axis=0)))
    head.bias.assign(-model.predict(pixels, verbose=0).mean(axis=0))


def write_images(root):
    """Images of every kind, a broken one and a file that is none."""
    write_folders(root, {"": 2, "deep/er": 3}, (90, 70))
    for value in range(1, 9):
        kind = "JPEG" if value % 2 else "PNG"
        content = encode(photo(value, (90, 70)), kind, exif=exif_of(value))
        (root / f"turned {value}.{kind.lower()}").write_bytes(content)
    grey = photo(3, (90, 70)).convert("L")
    (root / "deep/grey.jpg").write_bytes(encode(grey))
    (root / "deep/broken.jpg").write_bytes(encode(photo(4))[:300])
    (root / "notes.txt").write_text("no image")


def pil_pixels(path, side, small):
    """The image as the model sees it, float32 (side, side, 3)."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    if not small:
        crop = 70 * side // (side + 32)
        left, top = ((x - crop + 1) // 2 for x in image.size)
        image = image.crop((left, top, left + crop, top + crop))
    pixels = tf.image.resize(np.asarray(image), [side] * 2, "bicubic")
    return np.clip(np.round(pixels), 0, 255)


def settings(images, output, model_file, batch_size=4, **groups):
    data = config.DataConfig(image_dir=str(images), **groups.pop("data", {}))
    return ExperimentConfig(
        "predict",
        data=data,
        predict=config.PredictConfig(str(model_file), output=str(output)),
        run=config.RunConfig(
            groups.pop("distribution", "one_device"), eval_batch_size=batch_size
        ),
        **groups,
    )


def label(*args, **groups):
    stage = stages.make_stage(settings(*args, **groups))
    stage.validate()
    stage.run()
    return read(stage.output)


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("small", "batch_size", "distribution"),
    [
        pytest.param(False, 1, "one_device", marks=pytest.mark.slow),
        (True, 3, "one_device"),
        pytest.param(False, 4, "mirrored", marks=pytest.mark.slow),
    ],
)
def test_the_labels_are_keras_predictions(
    tmp_path, warnings, small, batch_size, distribution
):
    side = 38  # its crop leaves even margins
    images = tmp_path / "images"
    write_images(images)
    paths = sorted(str(p) for p in images.rglob("*.*") if p.suffix != ".txt")
    pixels = {
        path: pil_pixels(path, side, small)
        for path in paths
        if "broken" not in path
    }
    file = tmp_path / "run/model.keras"
    model = save_model(file, side, small=small)
    decide(model, np.stack([*pixels.values()]))
    models.save_model(model, file)
    (tmp_path / "run/classes.txt").write_text("\n".join(NAMES) + "\n")
    rows = label(
        images,
        tmp_path / "labels.csv",
        tmp_path / "run",
        batch_size,
        distribution=distribution,
    )
    assert [str(images / row["path"]) for row in rows] == paths
    for row in rows:
        if "broken" in row["path"]:
            assert set(row.values()) == {row["path"], ""}
            continue
        image = pixels[str(images / row["path"])]
        logits = model.predict(image[np.newaxis], verbose=0)
        truth = np.asarray(keras.ops.softmax(logits))[0]
        best = np.argsort(-truth)[:5]
        found = [float(row[f"probability_{i}"]) for i in range(1, 6)]
        # Decoders differ by a level here and there.
        np.testing.assert_allclose(found, truth[best], atol=0.05)
        if truth[best[0]] - truth[best[1]] > 0.1:
            assert row["class"] == row["class_1"] == NAMES[best[0]]
        assert row["probability"] == row["probability_1"]
    others, broken = warnings
    assert others.startswith("1 files in")
    assert broken.startswith("1 images cannot be decoded")


@pytest.mark.slow
def test_the_originals_checkpoint_names_the_classes_of_its_task(tmp_path):
    images = np.load(FIXTURES / "svhn_small/images.npy")
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    expected = np.exp(svhn.LOGITS)
    expected /= expected.sum(axis=1, keepdims=True)
    for number, data in enumerate([{"task_name": "svhn"}, {}]):
        output = tmp_path / f"labels{number}.csv"
        rows = label(
            tmp_path, output, svhn.CHECKPOINT, model=svhn.MODEL, data=data
        )
        assert len(rows) == len(images)
        if data:
            found = [float(row["probability"]) for row in rows]
            np.testing.assert_allclose(found, expected.max(axis=1), atol=1e-4)
            best = expected.argmax(axis=1)
            assert [int(row["class"]) for row in rows] == list(best)


@pytest.mark.slow
def test_models_from_elsewhere(tmp_path):
    inputs = keras.Input((8, 8, 3))
    sums = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Softmax()(9 * sums))
    model.save(tmp_path / "theirs.keras")
    model.export(tmp_path / "theirs", verbose=False)
    (tmp_path / "classes.txt").write_text("red\ngreen\nblue\n")
    for number, colour in enumerate([(0, 0, 255), (255, 0, 0)]):
        Image.new("RGB", (30, 20), colour).save(tmp_path / f"{number}.png")
    for name in ("theirs.keras", "theirs"):
        rows = label(
            tmp_path,
            tmp_path / f"{name}.csv",
            "",
            evaluation=config.EvaluationConfig(
                model_path=str(tmp_path / name),
                model_input_range="0..1",
                model_output="probabilities",
            ),
            data={"input_image_size": 8},
        )
        assert [row["class"] for row in rows] == ["blue", "red"]
        assert "class_3" in rows[0] and "class_4" not in rows[0]


def refusal(*args, **groups):
    stage = stages.make_stage(settings(*args, **groups))
    with pytest.raises(ValueError) as caught:
        stage.validate()
    return str(caught.value)


def test_bad_input_is_refused_and_touches_nothing(tmp_path):
    model = tmp_path / "model.keras"
    save_model(model)
    (tmp_path / "images").mkdir()
    images, output = tmp_path / "images", tmp_path / "labels.csv"
    assert "must hold images" in refusal(images, output, model)
    nowhere = tmp_path / "nowhere"
    assert "there is no directory" in refusal(nowhere, output, model)
    (images / "a.png").write_bytes(encode(photo(0), "PNG"))
    assert "There is no model at" in refusal(images, output, nowhere)
    assert "make it first" in refusal(images, nowhere / "a.csv", model)
    assert "Unknown task_name" in refusal(
        images, output, model, data={"task_name": "nope"}
    )
    assert "task_name=cifar10 names 10" in refusal(
        images, output, model, data={"task_name": "cifar10"}
    )
    (tmp_path / "classes.txt").write_text("a\nb\n")
    message = refusal(images, output, model)
    assert message.startswith("The model has 7 classes, and")
    assert message.endswith(
        "classes.txt names 2; correct it, or name another model."
    )
    output.write_text("mine")
    assert "exists already" in refusal(images, output, model)
    assert output.read_text() == "mine"


def test_other_modes_take_no_folder():
    data = config.DataConfig(image_dir="images")
    with pytest.raises(ValueError, match="image_dir is for mode=predict"):
        stages.make_stage(ExperimentConfig("eval", data=data))


def test_as_users_run_it(tmp_path):
    save_model(tmp_path / "run/model.keras", small=True)
    write_images(tmp_path / "images")
    command = [
        "--mode=predict",
        "--image_dir=images",
        "--output=labels.csv",
        "--model_dir=run",
    ]
    done = run_in(tmp_path, command)
    assert done.returncode == 0, done.stderr
    assert "labels.csv: the classes of 14 images." in done.stdout
    assert "AutoGraph" not in done.stderr
    rows = read(tmp_path / "labels.csv")
    assert len(rows) == 15 and rows[-1]["path"] == "turned 8.png"
    assert "labels.csv exists already" in error_of(run_in(tmp_path, command))


def run_in(directory, command):
    paths = [
        f"{flag}={directory / value}" if flag != "--mode" else f"{flag}={value}"
        for flag, value in (each.split("=") for each in command)
    ]
    return run(*paths)
