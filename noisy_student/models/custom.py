"""Networks from elsewhere: those of `keras.applications`, and one's own.

`keras:NAME` is a network of `keras.applications` with the pixels that it was
trained on, dropout and a classifier. `module:function` is whatever the function
builds of a number of classes and a side in pixels.
"""

import functools
import inspect
import re
import types
from collections.abc import Callable

import keras
import numpy as np
from absl import logging

from noisy_student import plugins
from noisy_student.config import PRETRAINED, ModelConfig
from noisy_student.config.paths import to_path
from noisy_student.config.training import IMAGENET
from noisy_student.errors import InputError, listed
from noisy_student.models import dropout, saved

_KERAS = "keras"
_SIDE = 224  # in pixels, unless the settings say another
_DROPOUT_RATE = 0.2  # EfficientNet-B0's
# Settings of EfficientNet that mean nothing to another network.
_MEANINGLESS = (
    "width_coefficient",
    "depth_coefficient",
    "stochastic_depth_rate",
    "remat",
    "fix_layer_num",
    "num_shards_per_group",
)
_TRIED_IMAGES = 8
_TOLERANCE = 1e-3
_USUAL_LOGIT = 20  # the largest one of a network with fresh weights


def is_custom(model_name: str) -> bool:
    """Whether a name is that of a network from elsewhere."""
    return plugins.SEPARATOR in model_name


def input_side(config: ModelConfig) -> int:
    """The side of the images that a network takes, in pixels."""
    return config.input_image_size or _SIDE


def without_meaning(config: ModelConfig) -> list[str]:
    """The settings that say something and mean nothing to the network.

    Dropout is the function's own in a network of one's own.
    """
    names = list(_MEANINGLESS)
    if not config.model_name.startswith(f"{_KERAS}:"):
        names.append("dropout_rate")
    default = ModelConfig()
    return [n for n in names if getattr(config, n) != getattr(default, n)]


def build_model(config: ModelConfig) -> keras.Model:
    """Builds the network that `model_name` names, with fresh weights.

    Args:
        config: its name, classes, side, precision and dropout.

    Returns:
        A model as `efficientnet.build_model` has it: from RGB in [0, 255] to
        float32 logits.

    Raises:
        ValueError: there is no such network, or it does not take such images
            or return logits.
    """
    source, _, name = config.model_name.partition(plugins.SEPARATOR)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.dtype_policy)
    try:
        if source == _KERAS:
            return _application(name, config)
        build = plugins.find(config.model_name, "model_name")
        return _checked(build, config)
    finally:
        keras.config.set_dtype_policy(before)


def _application(name: str, config: ModelConfig) -> keras.Model:
    side = input_side(config)
    images = keras.Input((side, side, 3), name="image")
    pixels = _pixels(name)(images)
    features = _trunk(name, side)(pixels)
    rate = _DROPOUT_RATE if config.dropout_rate is None else config.dropout_rate
    x = dropout.Dropout(rate, name="dropout", dtype="float32")(features)
    logits = keras.layers.Dense(
        config.num_classes, name="logits", dtype="float32"
    )(x)
    return keras.Model(images, logits, name=_valid_name(config.model_name))


def _trunk(name: str, side: int, weights: str | None = None) -> keras.Model:
    """A network of `keras.applications` up to its pooled features."""
    build = _application_named(name)
    try:
        return build(
            include_top=False,
            weights=weights,
            input_shape=(side, side, 3),
            pooling="avg",
        )
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"model_name={_KERAS}:{name}: {reason}") from error


@functools.cache
def _applications() -> dict[str, Callable[..., keras.Model]]:
    """The functions of `keras.applications` by their name."""
    return {
        name: found
        for name, found in vars(keras.applications).items()
        if inspect.isfunction(found)
    }


def _application_named(name: str) -> Callable[..., keras.Model]:
    build = _applications().get(name)
    if build is None:
        raise ValueError(
            f"model_name={_KERAS}:{name} is no network of keras.applications, "
            f"which has {', '.join(_applications())}."
        )
    return build


def _module(name: str) -> types.ModuleType:
    """The module of `keras.applications` that has a network's preprocessing."""
    build = _application_named(name)
    for module in vars(keras.applications).values():
        if inspect.ismodule(module) and vars(module).get(name) is build:
            return module
    raise ValueError(f"keras.applications has no preprocessing for {name}.")


def _pixels(name: str) -> keras.Layer:
    """What `preprocess_input` does to RGB in [0, 255], as a layer.

    It is affine in the channels: scales, shifts and perhaps another order.
    """
    preprocess = _module(name).preprocess_input
    # Black, and each channel alone at 1.
    tried = np.concatenate([np.zeros((1, 3)), np.eye(3)]).astype("float32")
    found = np.array(preprocess(tried[:, None, None].copy()))[:, 0, 0]
    layer = keras.layers.Dense(
        3, trainable=False, dtype="float32", name="pixels"
    )
    layer.build((None, None, None, 3))
    layer.set_weights([found[1:] - found[0], found[0]])
    return layer


def _checked(
    build: Callable[[int, int], keras.Model], config: ModelConfig
) -> keras.Model:
    """Builds a network by its function, and looks at what it is."""
    name, classes = config.model_name, config.num_classes
    side = input_side(config)
    if not callable(build):
        raise ValueError(f"model_name={name} is no function.")
    model = build(classes, side)
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model_name={name} must return a keras.Model; it returned a "
            f"{type(model).__name__}."
        )
    if model.input_shape != (None, side, side, 3):
        raise ValueError(
            f"model_name={name} must take images of (None, {side}, {side}, 3); "
            f"it takes {model.input_shape}."
        )
    if model.output_shape != (None, classes):
        raise ValueError(
            f"model_name={name} must return logits of (None, {classes}); it "
            f"returns {model.output_shape}."
        )
    [logits] = model.outputs
    if logits.dtype != "float32":
        raise ValueError(
            f"model_name={name} must return float32 logits; it returns "
            f"{logits.dtype}. Give its last layer dtype='float32'."
        )
    return model


def check_outputs(model: keras.Model, name: str) -> None:
    """Refuses a network that gives no logits for RGB in [0, 255].

    Fresh weights make small logits of pixels that are normalised, and large
    ones of pixels that are not, of which a warning tells.

    Args:
        model: the network.
        name: the setting that named it.

    Raises:
        ValueError: it gives probabilities, or what is not finite.
    """
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (_TRIED_IMAGES, *model.input_shape[1:]))
    outputs = np.array(model(images.astype("float32"), training=False))
    sums = outputs.sum(axis=-1)
    if (outputs >= 0).all() and np.abs(sums - 1).max() < _TOLERANCE:
        raise ValueError(
            f"model_name={name} returns probabilities, which sum to 1; leave "
            "out the softmax at its end, since the loss takes logits."
        )
    if not np.isfinite(outputs).all():
        raise ValueError(
            f"model_name={name} returns numbers that are not finite for pixels "
            "in [0, 255], which it must normalise itself."
        )
    largest = np.abs(outputs).max()
    if largest > _USUAL_LOGIT:
        logging.warning(
            "model_name=%s gives logits of up to %.0f before any training: "
            "does it normalise the pixels, which are in [0, 255]?",
            name,
            largest,
        )


def start_from(
    given: str, model: keras.Model, config: ModelConfig, allow_new_head: bool
) -> bool:
    """Puts given weights into a network; see `pretrained.start_from`."""
    name = config.model_name
    if given in PRETRAINED:
        if given != IMAGENET or not name.startswith(f"{_KERAS}:"):
            raise InputError(
                f"There are no weights {given} of {name}; name a file by "
                "init_weights, or leave it out."
            )
        trunk = name.partition(plugins.SEPARATOR)[2]
        whole = _downloaded(trunk, input_side(config))
        inner = next(x for x in model.layers if isinstance(x, keras.Model))
        inner.set_weights(whole.get_weights())
        head = model.layers[-1]
        head.set_weights([np.zeros(weight.shape) for weight in head.weights])
        return True
    path = to_path(given)
    theirs = saved.load_model(path)
    return _assign(model, theirs, str(path), allow_new_head)


def _downloaded(name: str, side: int) -> keras.Model:
    """The network with ImageNet's weights, which Keras downloads."""
    try:
        return _trunk(name, side, "imagenet")
    except Exception as error:  # urllib's and Keras' own
        reason = " ".join(str(error).split())
        raise InputError(
            f"The weights imagenet of {_KERAS}:{name} cannot be had: {reason}. "
            "Without a network, put this file into ~/.keras/models."
        ) from error


def _assign(
    model: keras.Model, theirs: keras.Model, path: str, allow_new_head: bool
) -> bool:
    """Copies all weights, or all but those of another classifier."""
    ours, given = model.weights, theirs.get_weights()
    shapes = [tuple(weight.shape) for weight in ours]
    found = [weight.shape for weight in given]
    head = {id(weight) for weight in model.layers[-1].weights}
    differ = [
        ours[place].path
        for place, (one, other) in enumerate(zip(shapes, found, strict=False))
        if one != other
    ]
    of_head = {w.path for w in ours if id(w) in head}
    fresh = bool(differ) and {*differ} <= of_head and allow_new_head
    if len(ours) != len(given) or (differ and not fresh):
        what = f"it has {len(given)} weights and not {len(ours)}"
        if differ:
            what = f"of other shapes are {listed(differ)}"
        raise InputError(
            f"{path} does not fit {model.name}: {what}. Check model_name, or "
            "set allow_new_head where only the classifier differs."
        )
    for weight, value in zip(ours, given, strict=True):
        of_new_head = fresh and id(weight) in head
        weight.assign(np.zeros(weight.shape) if of_new_head else value)
    return fresh


def _valid_name(name: str) -> str:
    return re.sub(r"\W", "_", name)
