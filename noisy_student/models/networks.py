"""Which network a name means: an EfficientNet, or one from elsewhere."""

from typing import Any

import keras
from absl import logging

from noisy_student.config import ModelConfig
from noisy_student.models import batch_norm, custom, efficientnet, scaling


def input_side(config: ModelConfig) -> int:
    """Returns the side of the images that a model takes, in pixels."""
    if custom.is_custom(config.model_name):
        return custom.input_side(config)
    return scaling.get_scaling(config).resolution


def build_model(config: ModelConfig) -> keras.Model:
    """Builds a model; see `efficientnet.build_model`, `custom.build_model`."""
    if custom.is_custom(config.model_name):
        model = custom.build_model(config)
    else:
        model = efficientnet.build_model(config)
    if config.freeze_batch_norm:
        batch_norm.freeze(model)
    return model


def check_name(config: ModelConfig) -> None:
    """Refuses a name that no network has; names settings without a meaning.

    Raises:
        ValueError: there is no such network.
    """
    if not custom.is_custom(config.model_name):
        scaling.get_scaling(config)
        return
    names = custom.without_meaning(config)
    if names:
        logging.warning(
            "%s mean nothing to model_name=%s.",
            ", ".join(names),
            config.model_name,
        )


def check_model(
    config: ModelConfig, replicas: int = 1, on_tpu: bool = False
) -> None:
    """Refuses a model that cannot be trained; see `efficientnet.check_model`.

    One from elsewhere is built, and tried on some images.
    """
    if custom.is_custom(config.model_name):
        model = custom.build_model(config)
        custom.check_outputs(model, config.model_name)
        return
    efficientnet.check_model(config, replicas, on_tpu)


def network_of(config: ModelConfig) -> dict[str, Any]:
    """What makes two models the same network, whatever their resolution."""
    if custom.is_custom(config.model_name):
        return {"model_name": config.model_name}
    scale = scaling.get_scaling(config)
    return {name: getattr(scale, name) for name in ("width", "depth", "lite")}


def is_smaller(config: ModelConfig, than: ModelConfig) -> bool:
    """Whether an EfficientNet is smaller than another one.

    Of other networks it is not known.
    """
    if any(custom.is_custom(each.model_name) for each in (config, than)):
        return False
    return scaling.get_scaling(config).size < scaling.get_scaling(than).size
