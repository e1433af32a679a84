"""Puts weights into a model, all or none."""

import keras

from noisy_student.errors import InputError
from noisy_student.models.importers import names
from noisy_student.models.importers.names import Variables, Weights


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
        allow_new_head: whether the model may keep its own fresh classifier
            if the weights have none, or one for another number of classes.

    Returns:
        Whether the classifier is fresh.

    Raises:
        InputError: weights are missing, left over or of another shape. All of
            them are listed and nothing is assigned.
    """
    variables = names.variables_by_name(model)
    fresh_head = allow_new_head and any(
        name not in weights or weights[name].shape != variables[name].shape
        for name in names.HEAD
    )
    if fresh_head:
        for name in names.HEAD:
            del variables[name]
        weights = {k: v for k, v in weights.items() if k not in names.HEAD}
    complaints = _complaints(variables, weights)
    if complaints:
        raise InputError(
            "\n  ".join(
                [
                    f"{source} does not fit {model.name}; nothing was changed:",
                    *complaints.values(),
                    _advice(complaints, weights),
                ]
            )
        )
    for name, variable in variables.items():
        variable.assign(weights[name])
    return fresh_head


def _complaints(variables: Variables, weights: Weights) -> dict[str, str]:
    """What does not fit, by name."""
    missing = {
        name: f"missing: {name}" for name in variables if name not in weights
    }
    left_over = {
        name: f"left over: {name}"
        for name in sorted(weights)
        if name not in variables
    }
    other_shapes = {
        name: f"of another shape: {name} is {weights[name].shape}, not "
        f"{tuple(variable.shape)}"
        for name, variable in variables.items()
        if name in weights and weights[name].shape != tuple(variable.shape)
    }
    return missing | left_over | other_shapes


def _advice(complaints: dict[str, str], weights: Weights) -> str:
    if complaints.keys() <= set(names.HEAD):
        return (
            "Only the classifier differs: set num_label_classes, or "
            "allow_new_head for a fresh one."
        )
    blocks = {name.split("/")[0] for name in weights if "blocks_" in name}
    return (
        f"The weights are of a model with {len(blocks)} blocks: check "
        "model_name, width_coefficient, depth_coefficient and their source."
    )
