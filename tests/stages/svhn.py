"""SVHN as the original's records, and its checkpoint as a model."""

import dataclasses
import io

import numpy as np
from PIL import Image

from noisy_student import config
from tests.conftest import FIXTURES
from tests.data.directories import write_shard
from tests.settings import experiment

CHECKPOINT = FIXTURES / "svhn_small/model.ckpt"
# Those of the averaged weights, (4, classes), as the original has them.
LOGITS = np.load(FIXTURES / "svhn_small/logits_ema.npy")
MODEL = config.ModelConfig(
    "efficientnet-b0", width_coefficient=0.25, depth_coefficient=0.34
)


def write_svhn(directory, wrong):
    """Records of the fixture's images.

    Args:
        directory: gets them.
        wrong: splits by name; how many of their four images have another
            label than the model gives them.
    """
    for split, count in wrong.items():
        labels = LOGITS.argmax(axis=1)
        labels[:count] = LOGITS[:count].argmin(axis=1)
        examples = []
        for pixels, label in zip(
            np.load(FIXTURES / "svhn_small/images.npy"), labels, strict=True
        ):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            examples.append((buffer.getvalue(), label))
        write_shard(directory / f"{split}-00000-of-00001", examples)


def settings(mode, directory, model_dir=None, **groups):
    """An experiment on records in a directory; data flags in `data`."""
    data = {"input_image_size": None} | groups.pop("data", {})
    fields = {
        "mode": mode,
        "model_dir": None if model_dir is None else str(model_dir),
        "model": MODEL,
        "data": config.DataConfig(
            "svhn", label_data_dir=str(directory), **data
        ),
        "run": config.RunConfig(distribution="one_device", eval_batch_size=3),
    }
    return dataclasses.replace(experiment("none"), **(fields | groups))
