"""The layer is a pure function of images and seeds, wherever it runs."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_image

from noisy_student.noise import RandAugment

SMALL = RandAugment(magnitude=15, translate_limit=2, cutout_limit=2)


@functools.cache
def _batch(count: int = 8, side: int = 16) -> np.ndarray:
    """Returns windows from a photograph, each another one."""
    photograph = load_sample_image("china.jpg")[::4, ::4]
    return np.stack(
        [photograph[i : i + side, 3 * i : 3 * i + side] for i in range(count)]
    )


def _seeds(count: int = 8) -> np.ndarray:
    return np.arange(2 * count).reshape(count, 2)


def test_same_seed_same_images_other_seed_others():
    first = SMALL(_batch(), seed=[1, 42])
    np.testing.assert_array_equal(first, SMALL(_batch(), seed=[1, 42]))
    wide = SMALL(_batch(), seed=tf.constant([1, 42], tf.int64))
    np.testing.assert_array_equal(first, wide)
    assert (first.numpy() != SMALL(_batch(), seed=[2, 42]).numpy()).any()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "bfloat16"])
def test_dtype_and_shape_are_kept(dtype):
    expected = SMALL(_batch(), seed=_seeds())
    images = tf.cast(_batch(), dtype)
    noised = SMALL(images, seed=_seeds())
    assert noised.dtype == images.dtype and noised.shape == images.shape
    np.testing.assert_array_equal(tf.cast(noised, tf.uint8), expected)
    single = SMALL(images[3], seed=_seeds()[3])
    assert single.dtype == images.dtype
    np.testing.assert_array_equal(tf.cast(single, tf.uint8), expected[3])


@pytest.mark.parametrize("side", [(1, 1), (1, 7), (3, 2), (17, 33)])
def test_odd_and_tiny_sizes(side):
    images = np.random.default_rng(0).integers(0, 256, (32, *side, 3), "uint8")
    policy = RandAugment(num_layers=3, magnitude=30)
    noised = policy(images, seed=[0, 1])
    assert noised.shape == images.shape and noised.dtype == tf.uint8
    assert (noised.numpy() != images).any()


@pytest.mark.parametrize("threads", [1, 4])
def test_data_pipeline_equals_eager(threads):
    images = tf.constant(_batch())

    def augment(step):
        return SMALL(images, seed=tf.stack([tf.cast(step, tf.int32), 42]))

    data = tf.data.Dataset.range(6).map(augment, num_parallel_calls=threads)
    assert data.element_spec == tf.TensorSpec(images.shape, tf.uint8)
    for step, result in enumerate(data):
        np.testing.assert_array_equal(result, SMALL(images, seed=[step, 42]))


def test_two_replicas_equal_one(two_replicas):
    data = tf.data.Dataset.from_tensors((_batch(), _seeds()))
    distributed = two_replicas.experimental_distribute_dataset(
        data.unbatch().batch(8)
    )

    @tf.function
    def step(images, seeds):
        return two_replicas.run(lambda x, s: SMALL(x, seed=s), (images, seeds))

    [parts] = [
        two_replicas.experimental_local_results(step(*batch))
        for batch in distributed
    ]
    assert len(parts) == 2
    np.testing.assert_array_equal(
        np.concatenate(parts), SMALL(_batch(), seed=_seeds())
    )


def test_inside_a_compiled_step():
    @tf.function(jit_compile=True)
    def step(images, seeds):
        return tf.reduce_sum(tf.cast(SMALL(images, seed=seeds), tf.int32))

    expected = SMALL(_batch(), seed=_seeds()).numpy().astype(int).sum()
    assert step(tf.constant(_batch()), tf.constant(_seeds())) == expected


def test_equal_images_in_a_batch_come_out_different():
    images = np.repeat(_batch()[:1], 24, axis=0)
    results = SMALL(images, seed=[7, 0]).numpy().reshape(24, -1)
    assert len(np.unique(results, axis=0)) > 12


def test_without_a_seed_every_call_draws_anew_and_the_layer_repeats():
    def two_calls():
        layer = RandAugment(magnitude=15, seed=5)
        return layer(_batch()).numpy(), layer(_batch()).numpy()

    first, second = two_calls()
    assert (first != second).any()
    np.testing.assert_array_equal((first, second), two_calls())


def test_not_training_changes_nothing():
    np.testing.assert_array_equal(SMALL(_batch(), training=False), _batch())


def test_saved_with_a_model(tmp_path):
    layer = RandAugment(num_layers=1, magnitude=9, use_cutout=False, seed=3)
    model = keras.Sequential([keras.Input([16, 16, 3], dtype="uint8"), layer])
    assert model.outputs[0].dtype == "uint8"
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert loaded.get_config() == layer.get_config()
    np.testing.assert_array_equal(
        loaded(_batch(), seed=[1, 2]), layer(_batch(), seed=[1, 2])
    )


def test_composes_with_keras_cv():
    keras_cv = pytest.importorskip("keras_cv")
    layers = [SMALL, keras_cv.layers.Grayscale(output_channels=3)]
    labels = np.eye(8, dtype=np.float32)
    inputs = {"images": _batch().astype(np.float32), "labels": labels}
    outputs = keras_cv.layers.Augmenter(layers)(inputs)
    assert outputs["images"].shape == (8, 16, 16, 3)
    np.testing.assert_array_equal(outputs["labels"], labels)
    pipeline = keras_cv.layers.RandomAugmentationPipeline(
        layers, augmentations_per_image=2
    )
    assert pipeline(inputs)["images"].shape == (8, 16, 16, 3)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), np.int32),
        np.zeros((2, 8, 8, 1), np.uint8),
        np.zeros((8, 8), np.uint8),
        np.zeros((1, 2, 8, 8, 3), np.uint8),
    ],
)
def test_bad_images_are_refused(images):
    with pytest.raises(ValueError, match=r"images must be uint8 or floating"):
        SMALL(images, seed=[0, 0])


@pytest.mark.parametrize("value", [-1.0, 255.5, float("nan")])
@pytest.mark.parametrize("in_graph", [False, True])
def test_values_out_of_range_are_refused(value, in_graph):
    images = _batch().astype(np.float32)
    images[3, 4, 5, 1] = value
    call = tf.function(SMALL) if in_graph else SMALL
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[0, 255\]"):
        call(images, seed=[0, 0])


@pytest.mark.parametrize(
    ("images", "seed"),
    [(_batch(), [1]), (_batch(), [[1, 2, 3]] * 8), (_batch()[0], [[1, 2]])],
)
def test_bad_seeds_are_refused(images, seed):
    with pytest.raises(ValueError, match=r"seed must have the shape"):
        SMALL(images, seed=seed)


def test_the_number_of_seeds_must_be_that_of_the_images():
    with pytest.raises(ValueError, match="as there are images, 8; got 4"):
        SMALL(_batch(), seed=_seeds()[:4])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 16, 16, 3], tf.uint8),
            tf.TensorSpec([None, 2], tf.int64),
        ]
    )
    def call(images, seeds):
        return SMALL(images, seed=seeds)

    for seeds in (_seeds()[:4], np.tile(_seeds(), (2, 1))):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="as many rows"
        ):
            call(_batch(), seeds)


def test_seeds_that_are_no_integers_are_refused():
    with pytest.raises(ValueError, match="seed must be of integers"):
        SMALL(_batch(), seed=[1.5, 2.5])


def test_a_model_of_wrong_images_is_not_even_built():
    for shape, dtype in (([16, 16, 1], "uint8"), ([16, 16, 3], "int32")):
        with pytest.raises(ValueError, match="images must be uint8"):
            keras.Sequential([keras.Input(shape, dtype=dtype), SMALL])


def test_a_dict_without_images_is_refused():
    with pytest.raises(ValueError, match="must have images, got labels"):
        SMALL({"labels": np.zeros(3)})


def test_the_form_is_checked_and_saved():
    assert RandAugment(form="device").get_config()["form"] == "device"
    with pytest.raises(ValueError, match=r"form must be one of .* got 'gpu'"):
        RandAugment(form="gpu")


def test_an_empty_batch_stays_empty():
    assert SMALL(_batch()[:0], seed=[0, 0]).shape == (0, 16, 16, 3)


def test_replicas_draw_their_own_where_no_seed_is_given(two_replicas):
    with two_replicas.scope():
        layer = RandAugment(magnitude=15, seed=5)
    images = tf.constant(np.repeat(_batch()[:1], 24, axis=0))

    @tf.function
    def step():
        return two_replicas.run(lambda: layer(images))

    first, second = two_replicas.experimental_local_results(step())
    assert (first.numpy() != second.numpy()).any(axis=(1, 2, 3)).sum() > 12


def test_labels_with_places_are_refused():
    with pytest.raises(ValueError, match="cannot move bounding_boxes"):
        SMALL({"images": _batch(), "bounding_boxes": {}}, seed=[0, 0])
