"""EXIF orientations are read and images turned as PIL does it."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from noisy_student.data import orientation
from tests.data.directories import encode, photo

ORIENTATIONS = range(1, 9)


def exif(value, byte_order="<"):
    """EXIF data with the orientation between two other tags."""
    mark = b"II*\0" if byte_order == "<" else b"MM\0*"
    tags = [
        struct.pack(f"{byte_order}HHII", 0x0100, 4, 1, 640),
        struct.pack(f"{byte_order}HHIHH", 0x0112, 3, 1, value, 0),
        struct.pack(f"{byte_order}HHII", 0x8769, 4, 1, 90),
    ]
    table = struct.pack(f"{byte_order}H", len(tags)) + b"".join(tags)
    return mark + struct.pack(f"{byte_order}I", 8) + table + bytes(8)


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(*segments):
    """A photograph with these segments at its front."""
    encoded = encode(photo(0, (60, 40)))
    return encoded[:2] + b"".join(segments) + encoded[2:]


def app1(tiff):
    return segment(0xE1, b"Exif\0\0" + tiff)


ICC = [segment(0xE2, b"ICC_PROFILE\0" + bytes(65_000))] * 3
XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"Exif\0\0" * 9_000)
OTHERS = {
    "nothing": [],
    "JFIF": [segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")],
    "ICC": ICC,
    "XMP": [XMP],
    "all, and a comment": [*ICC, XMP, segment(0xFE, b"by hand")],
    "fill bytes": [b"\xff\xff\xff"],
}


def read(encoded):
    return int(orientation.read(tf.constant(encoded)))


def pil_upright(encoded):
    image = Image.open(io.BytesIO(encoded))
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("before", OTHERS)
def test_jpegs_are_read_wherever_the_segment_is(before, byte_order):
    for value in ORIENTATIONS:
        encoded = jpeg(*OTHERS[before], app1(exif(value, byte_order)))
        found = Image.open(io.BytesIO(encoded)).getexif()[0x0112]
        assert read(encoded) == found == value


@pytest.mark.parametrize("value", ORIENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_turned_images_equal_those_of_pil(value, channels):
    image = photo(0, (60, 40)).convert("RGB" if channels == 3 else "L")
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=b"Exif\0\0" + exif(value, ">"))
    encoded = stream.getvalue()
    assert read(encoded) == value
    pixels = tf.io.decode_png(encoded, channels)
    ours = orientation.turn(pixels, orientation.read(encoded))
    truth = pil_upright(encoded)[..., :channels]
    np.testing.assert_array_equal(ours, truth)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_images_without_exif_stand_upright(kind):
    assert read(encode(photo(0), kind)) == 1


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_values_out_of_range_count_as_upright(value):
    assert read(jpeg(app1(exif(value)))) == 1


def test_what_is_cut_off_anywhere_is_no_error():
    whole = jpeg(*OTHERS["JFIF"], app1(exif(6)))
    find = tf.function(orientation.read, input_signature=[SPEC])
    found = [int(find(whole[:size])) for size in range(150)]
    assert set(found) == {1, 6} and found == sorted(found)
    png = encode(photo(0), "PNG", exif=b"Exif\0\0" + exif(6))
    found = [int(find(png[:size])) for size in range(150)]
    assert set(found) == {1, 6} and found == sorted(found)


SPEC = tf.TensorSpec([], tf.string)
ABSURD = {
    "empty": b"",
    "text": b"no image",
    "only a mark": b"\xff\xd8\xff",
    "segments of no length": b"\xff\xd8" + b"\xff\xe1\0\0" * 9,
    "endless segments": b"\xff\xd8" + segment(0xE2, b"") * 100_000,
    "pixels before": b"\xff\xd8" + segment(0xDA, b"") + app1(exif(6)),
    "empty EXIF": jpeg(app1(b"")),
    "no byte order": jpeg(app1(b"AB*\0" + exif(6)[4:])),
    "a table beyond the end": jpeg(app1(b"II*\0\xff\xff\xff\xff" + bytes(20))),
    "too many tags": jpeg(app1(b"II*\0\x08\0\0\0\xff\xff" + bytes(30))),
    "a wrong type": jpeg(app1(exif(6).replace(b"\x12\1\3", b"\x12\1\2"))),
    "a chunk of 4 GB": b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIf" + bytes(9),
    "chunks past 4 GB": b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffabcd" + bytes(9),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_headers_count_as_upright(name):
    assert read(ABSURD[name]) == 1


def test_random_damage_is_no_error():
    generator = np.random.default_rng(0)
    whole = np.frombuffer(jpeg(app1(exif(6, ">"))), np.uint8)
    find = tf.function(orientation.read, input_signature=[SPEC])
    for _ in range(300):
        damaged = whole.copy()
        places = generator.integers(0, 90, 3)
        damaged[places] = generator.integers(0, 256, 3)
        assert int(find(damaged.tobytes())) in ORIENTATIONS


def test_datasets_and_saved_models_do_the_same(tmp_path):
    files = [jpeg(app1(exif(value))) for value in ORIENTATIONS]

    def upright(encoded):
        image = tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE")
        return orientation.turn(image, orientation.read(encoded))

    module = tf.Module()
    module.upright = tf.function(upright, input_signature=[SPEC])
    tf.saved_model.save(module, str(tmp_path))
    saved = tf.saved_model.load(str(tmp_path))
    dataset = tf.data.Dataset.from_tensor_slices(files).map(upright)
    for encoded, image in zip(files, dataset, strict=True):
        truth = pil_upright(encoded)
        np.testing.assert_array_equal(image, truth)
        np.testing.assert_array_equal(saved.upright(encoded), truth)
