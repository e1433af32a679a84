"""What is written is run, and refused where it answers otherwise."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from noisy_student import export
from noisy_student.data import views
from noisy_student.errors import InputError
from noisy_student.export import serving
from tests.data.directories import exif_of
from tests.export.test_stock import (
    PHOTOGRAPHS,
    SMALLEST,
    made,
)


def exportable_of(config):
    model = made(config)
    small = bool(config.small_image_model)
    image_format = views.ImageFormat(model.input_shape[1], small, False)
    names = tuple(f"class {number}" for number in range(10))
    return export.Exportable(model, export.to_stock(model), image_format, names)


@pytest.fixture(scope="module")
def exportable():
    return exportable_of(PHOTOGRAPHS)


@pytest.fixture(scope="module", params=[SMALLEST, PHOTOGRAPHS])
def written(request, tmp_path_factory):
    """A SavedModel."""
    directory = tmp_path_factory.mktemp("written")
    return export.write("saved_model", exportable_of(request.param), directory)


def broken(exportable):
    """One whose exported model is not quite the reference."""
    model = export.to_stock(exportable.reference)
    bias = model.get_layer("logits").bias
    bias.assign(bias + 1)
    return dataclasses.replace(exportable, model=model)


@pytest.mark.parametrize("name", ["saved_model", "keras"])
def test_a_model_that_answers_otherwise_is_refused(name, tmp_path, exportable):
    with pytest.raises(InputError, match=f"format={name}: the exported model"):
        export.write(name, broken(exportable), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_so_is_one_of_another_library(name, tmp_path, exportable):
    assert export.write(name, exportable, tmp_path / "right").is_file()
    with pytest.raises(InputError, match=f"format={name}: the exported model"):
        export.write(name, broken(exportable), tmp_path)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def test_files_of_all_kinds_are_answered_upright(written):
    """PNG, BMP and GIF, and a JPEG that lies on its side."""
    answer = tf.saved_model.load(str(written)).signatures[serving.ENCODED]

    def logits(*files):
        return answer(encoded=tf.constant(files))["logits"].numpy()

    # Its margins are equal on both sides, so that both have one centre.
    plane = np.linspace(0, 255, 96 * 64).reshape(96, 64)
    image = np.stack([plane, plane[::-1], plane[:, ::-1]], -1).astype(np.uint8)
    upright = logits(saved(image, "PNG"))
    assert np.array_equal(logits(saved(image, "BMP")), upright)
    palette = Image.fromarray(image).quantize(256)
    gif = io.BytesIO()
    palette.save(gif, "GIF", save_all=True, append_images=[palette.rotate(90)])
    as_shown = np.asarray(palette.convert("RGB"))
    expected = logits(saved(as_shown, "PNG"))
    assert np.array_equal(logits(gif.getvalue()), expected)
    lying = np.rot90(image)  # by a quarter, against the clock
    # To be turned with the clock.
    jpeg = saved(lying, "JPEG", exif=exif_of(6))
    stored = tf.io.decode_jpeg(jpeg, dct_method="INTEGER_ACCURATE").numpy()
    turned = logits(saved(np.rot90(stored, -1), "PNG"))
    assert np.array_equal(logits(jpeg), turned)
    assert not np.array_equal(logits(saved(stored, "PNG")), turned)


def test_the_saved_model_names_the_classes(written):
    names = (written / "assets/classes.txt").read_text().splitlines()
    assert names == [f"class {number}" for number in range(10)]
