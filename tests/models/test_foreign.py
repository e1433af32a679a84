"""Models that were made elsewhere, against what they say themselves."""

import zipfile

import keras
import numpy as np
import pytest

from noisy_student.config import EvaluationConfig
from noisy_student.errors import InputError
from noisy_student.models.foreign import check_input_range, load_foreign

SIDE = 12


@pytest.fixture(scope="module")
def images():
    shape = (3, SIDE, SIDE, 3)
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


def make(activation=None, side=SIDE):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((side, side, 3))
    x = keras.layers.Conv2D(4, 3)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(5, activation)(x))


def load(path, num_classes=5, side=None, **settings):
    config = EvaluationConfig(model_path=str(path), **settings)
    return load_foreign(config, num_classes, side)


@pytest.mark.parametrize("form", ["keras", "saved_model"])
@pytest.mark.parametrize(
    ("pixels", "scale", "shift"),
    [("0..255", 1, 0), ("0..1", 1 / 255, 0), ("-1..1", 2 / 255, -1)],
)
def test_pixels_and_logits_are_as_declared(
    form, pixels, scale, shift, images, tmp_path
):
    model, path = make(), tmp_path / ("model.keras" if form == "keras" else "m")
    (model.save if form == "keras" else model.export)(path)
    side = None if form == "keras" else SIDE
    found = load(path, side=side, model_input_range=pixels)
    assert found.input_shape == (None, SIDE, SIDE, 3)
    np.testing.assert_allclose(
        found(images), model(images * scale + shift), atol=1e-4
    )


def test_probabilities_become_logits(images, tmp_path):
    make("softmax").save(tmp_path / "model.keras")
    found = load(tmp_path / "model.keras", model_output="probabilities")
    np.testing.assert_allclose(
        keras.ops.softmax(found(images)), make("softmax")(images), atol=1e-6
    )


@pytest.mark.parametrize(
    ("activation", "settings", "message"),
    [
        ("softmax", {}, "returns probabilities, rows whose sums are 1, 1; set"),
        (None, {"model_output": "probabilities"}, "returns logits, rows"),
        (None, {"num_classes": 4}, r"returns \(None, 5\), and the task has 4"),
        (None, {"side": 16}, "does not take images of 16 x 16 pixels"),
    ],
)
def test_what_does_not_fit_is_refused(activation, settings, message, tmp_path):
    make(activation).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "model.keras", **settings)


def test_a_side_must_be_known(tmp_path):
    make(side=None).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="set input_image_size"):
        load(tmp_path / "model.keras")
    assert load(tmp_path / "model.keras", side=9).input_shape[1] == 9


def test_other_files_are_refused(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"is no \.keras file, which is a zip"):
        load(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "none")
    with pytest.raises(ValueError, match=r"is no \.keras file that can"):
        load(tmp_path / "other.keras")
    (tmp_path / "export/saved_model/1").mkdir(parents=True)
    (tmp_path / "export/saved_model/1/saved_model.pb").touch()
    with pytest.raises(ValueError, match=r"; name .*/export/saved_model/1\."):
        load(tmp_path / "export", side=SIDE)
    with pytest.raises(ValueError, match=r"has no saved_model\.pb"):
        load(tmp_path / "export/saved_model", side=SIDE)
    with pytest.raises(ValueError, match=r"there is no .*missing\.keras; name"):
        load(tmp_path / "missing.keras")


@pytest.mark.parametrize(
    ("built_for", "declared"),
    [("0..1", "0..255"), ("0..255", "0..1"), ("-1..1", "0..1")],
)
def test_pixels_of_another_range_are_noticed(built_for, declared, tmp_path):
    """Five greys, and a model that takes the nearest of them."""
    greys = np.arange(5) * 60.0
    low, high = {"0..255": (0, 255), "0..1": (0, 1), "-1..1": (-1, 1)}[
        built_for
    ]
    centers = greys * (high - low) / 255 + low
    model = make()
    model.layers[1].set_weights([np.full([3, 3, 3, 4], 1 / 27), np.zeros(4)])
    model.layers[-1].set_weights([np.tile(centers / 2, (4, 1)), -(centers**2)])
    model.save(tmp_path / "model.keras")
    labels = np.arange(20) % 5
    images = np.tile(greys[labels, None, None, None], (1, SIDE, SIDE, 3))

    def check(pixels, images):
        path = str(tmp_path / "model.keras")
        config = EvaluationConfig(model_path=path, model_input_range=pixels)
        check_input_range(
            config, load_foreign(config, 5, None), images, labels[: len(images)]
        )

    check(built_for, images)
    check(declared, images[:3])  # too few to tell
    message = (
        rf"classifies . of 20 test .* in {declared}, as declared, and 20 "
        rf"in {built_for}; set model_input_range={built_for}\."
    )
    with pytest.raises(InputError, match=message):
        check(declared, images)


@pytest.mark.parametrize("form", ["activation", "layer", "saved_model"])
def test_a_softmax_at_the_end_is_taken_off(form, images, tmp_path):
    """Else what rounds to 1 has no gradient."""
    plain = make()
    weights = [50 * each for each in plain.get_weights()]  # very sure
    plain.set_weights(weights)
    model = make("softmax")
    model.set_weights(weights)
    if form == "layer":
        softmax = keras.layers.Softmax()(plain.output)
        model = keras.Model(plain.inputs, softmax)
    path = tmp_path / "model"
    if form == "saved_model":
        model.export(path)
        found = load(path, side=SIDE, model_output="probabilities")
    else:
        path = path.with_suffix(".keras")
        model.save(path)
        found = load(path, model_output="probabilities")
    logits = found(images).numpy()
    np.testing.assert_array_equal(
        logits.argmax(axis=1), plain(images).numpy().argmax(axis=1)
    )
    # Only logits, of a SavedModel logarithms of what is not 0, stay apart.
    spread = np.ptp(logits, axis=1)
    if form == "saved_model":
        assert (spread <= 70).all()
    else:
        np.testing.assert_allclose(logits, plain(images), rtol=1e-5)
        assert (spread > 70).all()


def test_several_outputs_are_named(tmp_path):
    inputs = keras.Input((SIDE, SIDE, 3))
    flat = keras.layers.Flatten()(inputs)
    both = [keras.layers.Dense(5)(flat), keras.layers.Dense(3)(flat)]
    path = tmp_path / "model.keras"
    keras.Model(inputs, both).save(path)
    with pytest.raises(InputError, match="returns output 0, output 1: one out"):
        load(path)
