"""Weights by the names that the original's checkpoints give to variables."""

from collections.abc import Iterable

import keras
import numpy as np

from noisy_student.errors import InputError
from noisy_student.models import blocks

HEAD = ("head/dense/kernel", "head/dense/bias")
_NORM = ("gamma", "beta", "moving_mean", "moving_variance")

Variables = dict[str, keras.Variable]
Weights = dict[str, np.ndarray]


def variables_by_name(model: keras.Model) -> Variables:
    """Returns all weights of a model by their original names.

    Args:
        model: made by `build_model`.

    Returns:
        Variables by name without the model's scope, e.g.
        `stem/conv2d/kernel`.
    """
    named = _convolutions("stem", model.get_layer("stem"))
    for block in model.layers:
        if isinstance(block, blocks.Block):
            layers = (block.expand, block.depthwise, block.project)
            named |= _convolutions(block.name, *filter(None, layers))
            if block.se is not None:
                named |= name_squeeze_excite(
                    block.name,
                    (block.se.reduce_kernel, block.se.reduce_bias),
                    (block.se.expand_kernel, block.se.expand_bias),
                )
    named |= _convolutions("head", model.get_layer("head"))
    logits = model.get_layer("logits")
    return named | dict(zip(HEAD, (logits.kernel, logits.bias), strict=True))


def _convolutions(scope: str, *layers: blocks.ConvNorm) -> Variables:
    return name_convolutions(
        scope, ((x.kernel, x.norm, x.filters is None) for x in layers)
    )


def name_convolutions(
    scope: str,
    convolutions: Iterable[tuple[keras.Variable, keras.Layer, bool]],
) -> Variables:
    """Names the kernels and norms of a scope.

    Convolutions, depthwise convolutions and norms are numbered separately.

    Args:
        scope: `stem`, `blocks_0` and so on.
        convolutions: in order, the kernel, the norm that follows, and whether
            the convolution is a depthwise one.
    """
    named = {}
    plain = 0
    for index, (kernel, norm, depthwise) in enumerate(convolutions):
        if depthwise:
            named[f"{scope}/depthwise_conv2d/depthwise_kernel"] = kernel
        else:
            named[f"{scope}/conv2d{_suffix(plain)}/kernel"] = kernel
            plain += 1
        for weight in _NORM:
            name = f"tpu_batch_normalization{_suffix(index)}/{weight}"
            named[f"{scope}/{name}"] = getattr(norm, weight)
    return named


def name_squeeze_excite(
    scope: str, *layers: tuple[keras.Variable, keras.Variable]
) -> Variables:
    """Names kernel and bias of the layers that reduce and expand."""
    return {
        f"{scope}/se/conv2d{_suffix(number)}/{name}": variable
        for number, layer in enumerate(layers)
        for name, variable in zip(("kernel", "bias"), layer, strict=True)
    }


def _suffix(number: int) -> str:
    return f"_{number}" if number else ""


def assign(
    model: keras.Model,
    weights: Weights,
    source: str,
    allow_new_head: bool = False,
) -> bool:
    """Puts weights into a model, all or none.

    Args:
        model: made by `build_model`.
        weights: arrays by original name; they are not changed.
        source: where the weights come from, for messages.
        allow_new_head: whether the classifier may be a fresh one if the
            weights have none, or one for another number of classes. It then
            starts at 0, as in Big Transfer (Kolesnikov et al., 2020):
            training would hardly move the large random logits that it
            computes of trained features.

    Returns:
        Whether the classifier is fresh.

    Raises:
        InputError: weights are missing, left over or of another shape. All of
            them are listed and nothing is assigned.
    """
    variables = variables_by_name(model)
    fresh_head = allow_new_head and any(
        name not in weights or weights[name].shape != variables[name].shape
        for name in HEAD
    )
    if fresh_head:
        zeros = {name: np.zeros(variables[name].shape) for name in HEAD}
        weights = {**weights, **zeros}
    complaints = _complaints(variables, weights)
    if complaints:
        heading = f"{source} does not fit {model.name}; nothing was changed:"
        lines = [heading, *complaints.values(), _advice(complaints, weights)]
        raise InputError("\n  ".join(lines))
    for name, variable in variables.items():
        variable.assign(weights[name])
    return fresh_head


def _complaints(variables: Variables, weights: Weights) -> dict[str, str]:
    """What does not fit, by name."""
    complaints = {
        name: f"missing: {name}" for name in variables if name not in weights
    }
    for name in sorted(weights.keys() - variables.keys()):
        complaints[name] = f"left over: {name}"
    for name, variable in variables.items():
        shape = tuple(variable.shape)
        if name in weights and weights[name].shape != shape:
            given = f"{name} is {weights[name].shape}"
            complaints[name] = f"of another shape: {given}, not {shape}"
    return complaints


def _advice(complaints: dict[str, str], weights: Weights) -> str:
    if complaints.keys() <= set(HEAD):
        return (
            "Only the classifier differs: set num_label_classes, or "
            "allow_new_head for a fresh one."
        )
    scopes = {name.split("/")[0] for name in weights if "blocks_" in name}
    return (
        f"The weights are of a model with {len(scopes)} blocks: check "
        "model_name, width_coefficient, depth_coefficient and their source."
    )
