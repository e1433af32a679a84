"""The names that the original's checkpoints give to a model's variables."""

from collections.abc import Sequence

import keras
import numpy as np

from noisy_student.models import blocks

NORM = ("gamma", "beta", "moving_mean", "moving_variance")
HEAD = ("head/dense/kernel", "head/dense/bias")

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
    named = _convolutions("stem", [model.get_layer("stem")])
    for layer in model.layers:
        if isinstance(layer, blocks.Block):
            named |= _block(layer)
    named |= _convolutions("head", [model.get_layer("head")])
    logits = model.get_layer("logits")
    return named | dict(zip(HEAD, [logits.kernel, logits.bias], strict=True))


def _block(block: blocks.Block) -> Variables:
    convolutions = [block.expand, block.depthwise, block.project]
    named = _convolutions(block.name, [c for c in convolutions if c])
    for suffix, weight in (("", "reduce"), ("_1", "expand")):
        for name in ("kernel", "bias"):
            variable = getattr(block.se, f"{weight}_{name}")
            named[f"{block.name}/se/conv2d{suffix}/{name}"] = variable
    return named


def _convolutions(scope: str, layers: list[blocks.ConvNorm]) -> Variables:
    named = {}
    names = convolution_names(scope, [layer.filters for layer in layers])
    for layer, (kernel, norm) in zip(layers, names, strict=True):
        named[kernel] = layer.kernel
        for weight in NORM:
            named[f"{norm}/{weight}"] = getattr(layer.norm, weight)
    return named


def convolution_names(
    scope: str, filters: Sequence[int | None]
) -> list[tuple[str, str]]:
    """Names the kernels of a scope and the scopes of their norms.

    Convolutions, depthwise convolutions and norms are numbered separately.

    Args:
        scope: `stem`, `blocks_0` and so on.
        filters: of each convolution in order; None is a depthwise one.
    """
    names = []
    plain = 0
    for index, outputs in enumerate(filters):
        if outputs is None:
            kernel = "depthwise_conv2d/depthwise_kernel"
        else:
            kernel = f"conv2d{_suffix(plain)}/kernel"
            plain += 1
        norm = f"tpu_batch_normalization{_suffix(index)}"
        names.append((f"{scope}/{kernel}", f"{scope}/{norm}"))
    return names


def _suffix(number: int) -> str:
    return f"_{number}" if number else ""
