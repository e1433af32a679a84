"""What the original's checkpoints call the variables of a model."""

from collections.abc import Sequence

import keras

from noisy_student.models import blocks

NORM = ("gamma", "beta", "moving_mean", "moving_variance")
HEAD = ("head/dense/kernel", "head/dense/bias")

Variables = dict[str, keras.Variable]


def variables_by_name(model: keras.Model) -> Variables:
    """All weights of a model by their original names.

    Args:
        model: of `build_model`.

    Returns:
        Variables by name without the model's scope: `stem/conv2d/kernel`
        and so on.
    """
    named = _convolutions("stem", [model.get_layer("stem")])
    for layer in model.layers:
        if isinstance(layer, blocks.Block):
            named |= _block(layer)
    named |= _convolutions("head", [model.get_layer("head")])
    logits = model.get_layer("logits")
    return named | dict(zip(HEAD, [logits.kernel, logits.bias], strict=True))


def _block(block: blocks.Block) -> Variables:
    inner = [block.expand, block.depthwise, block.project]
    named = _convolutions(block.name, [part for part in inner if part])
    for suffix, part in (("", "reduce"), ("_1", "expand")):
        name = f"{block.name}/se/conv2d{suffix}"
        named[f"{name}/kernel"] = getattr(block.se, f"{part}_kernel")
        named[f"{name}/bias"] = getattr(block.se, f"{part}_bias")
    return named


def _convolutions(scope: str, layers: list[blocks.ConvNorm]) -> Variables:
    named = {}
    names = convolution_names(scope, [layer.filters for layer in layers])
    for layer, (kernel, norm) in zip(layers, names, strict=True):
        named[kernel] = layer.kernel
        for part in NORM:
            named[f"{norm}/{part}"] = getattr(layer.norm, part)
    return named


def convolution_names(
    scope: str, filters: Sequence[int | None]
) -> list[tuple[str, str]]:
    """Names of the kernels of a scope, and the scopes of their norms.

    Convolutions and norms are numbered each on their own.

    Args:
        scope: `stem`, `blocks_0` and so on.
        filters: of each convolution in order; None is a depthwise one.
    """
    names = []
    plain = 0
    for norms, own in enumerate(filters):
        if own is None:
            kernel = "depthwise_conv2d/depthwise_kernel"
        else:
            kernel = f"conv2d{_suffix(plain)}/kernel"
            plain += 1
        norm = f"tpu_batch_normalization{_suffix(norms)}"
        names.append((f"{scope}/{kernel}", f"{scope}/{norm}"))
    return names


def _suffix(number: int) -> str:
    return f"_{number}" if number else ""
