"""The model card of an export: what the model is, and how to run it.

What was not measured is said to be so.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from etils import epath

from noisy_student.config.settings import changed
from noisy_student.files import metrics_file, run_directory, writing
from noisy_student.report import results, tables

_NOT_MEASURED = "not measured"
_MAX_NAMES = 20  # classes that are listed
_IMAGES = 'np.zeros((1, {side}, {side}, 3), "float32")'
_EXAMPLES = {
    "saved_model": (
        "import tensorflow as tf",
        'model = tf.saved_model.load("{file}").signatures["serve_encoded"]',
        'print(model(encoded=tf.constant([open("cat.jpg", "rb").read()])))',
    ),
    "keras": (
        "import keras, numpy as np",
        'model = keras.saving.load_model("{file}")',
        f"logits = model({_IMAGES})",
    ),
    "onnx": (
        "import numpy as np, onnxruntime",
        'session = onnxruntime.InferenceSession("{file}")',
        f'[logits] = session.run(None, {{{{"images": {_IMAGES}}}}})',
    ),
    "litert": (
        "import numpy as np, ai_edge_litert.interpreter as litert",
        'run = litert.Interpreter("{file}").get_signature_runner()',
        f"[logits] = run(images={_IMAGES}).values()",
    ),
}


@dataclasses.dataclass(frozen=True)
class Card:
    """What a card tells.

    Attributes:
        name: The model's.
        path: Where it came from.
        num_weights: Number of its weights.
        side: Side of its images in pixels.
        central_crop: Whether encoded images are cut to their central square.
        class_names: Of its classes, in order.
        files: Of each format, its path in the export.
        run: The directory of its run; None if it is not known.
    """

    name: str
    path: epath.Path
    num_weights: int
    side: int
    central_crop: bool
    class_names: tuple[str, ...]
    files: Mapping[str, str]
    run: epath.Path | None


def format_card(card: Card) -> str:
    """The card as Markdown."""
    sections = {
        f"# {card.name}": _summary(card),
        "## Classes": _classes(card.class_names),
        "## Data and training": _training(card.run),
        "## Accuracy": _listed(_accuracies(card)),
        "## Robustness": _listed(_robustness(card)),
        "## Input and output": _contract(card),
        "## Use": _examples(card),
    }
    return "\n".join(f"{title}\n\n{text}\n" for title, text in sections.items())


def _summary(card: Card) -> str:
    return (
        f"An image classifier of {card.num_weights:,} weights for "
        f"{len(card.class_names)} classes, exported from `{card.path}`. "
        "Weights are averages over the training, and everything is computed "
        "in float32."
    )


def _classes(names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:_MAX_NAMES])
    more = ", ..." if len(names) > _MAX_NAMES else ""
    return f"{listed}{more} ({len(names)}, in this order: `classes.txt`)."


def _training(run: epath.Path | None) -> str:
    """The images, and the flags that made the model."""
    if run is None:
        return "Not known: the model is not that of a run directory."
    settings = run_directory.read_config(run)
    data = settings.data
    place = data.label_data_dir or "scikit-learn or tensorflow-datasets"
    flags = ["python main.py", *_flags(changed(settings))]
    command = " \\\n  ".join(flags)
    return (
        f"Images of `{data.task_name}` ({place}). It was made by:\n\n"
        f"```\n{command}\n```"
    )


def _flags(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no{name}"
        elif isinstance(value, tuple):
            yield f"--{name}={','.join(map(str, value))}"
        else:
            yield f"--{name}={value}"


def _listed(found: Mapping[str, str]) -> str:
    lines = [f"- {name}: {value}" for name, value in found.items()]
    return "\n".join(lines) or f"{_NOT_MEASURED.capitalize()}."


def _accuracies(card: Card) -> dict[str, str]:
    """What `evaluation.json` has, or else the run's own evaluation."""
    if card.run is None:
        return {}
    evaluated = _of_model(card, "evaluation/evaluation.json")
    if not evaluated:
        return _in_words(_own_evaluation(card))
    return {
        f"{split}, {name}": value
        for split, metrics in evaluated.items()
        for name, value in _in_words(metrics).items()
    }


def _own_evaluation(card: Card) -> dict[str, Any]:
    """The row of the model in `results.json`, or its last evaluation."""
    assert card.run is not None  # the caller looked
    path = card.run / results.RESULTS_FILE
    if not path.exists():
        lines = metrics_file.read(card.run)
        return results.metrics_of(lines[-1]) if lines else {}
    number = _generation(card)
    for row in reversed(json.loads(path.read_text())["generations"]):
        if number in (None, f"generation_{row['generation']:02d}"):
            return results.metrics_of(row)
    return {}


def _robustness(card: Card) -> dict[str, str]:
    if card.run is None:
        return {}
    measured = _of_model(card, "robustness/robustness.json").get("scores", {})
    return {
        f"{suite}, {name}": value
        for suite, scores in measured.items()
        for name, value in _in_words(scores).items()
    }


def _of_model(card: Card, file: str) -> dict[str, Any]:
    """What a file of the run says of the model; of several, the newest."""
    assert card.run is not None  # the caller looked
    path = card.run / file
    if not path.exists():
        return {}
    models = writing.read_json(path)
    return models.get(_generation(card) or list(models)[-1], {})


def _generation(card: Card) -> str | None:
    """The directory of the model in its run, such as `generation_01`."""
    if card.run in (None, card.path):
        return None
    *directories, _ = card.path.relative_to(card.run).parts
    return directories[0] if directories else None


def _in_words(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Numbers by their names; accuracies and error rates as %."""
    return {
        name.replace("top_", "top-").replace("_", " "): (
            tables.percent(value)
            if name.endswith("accuracy")
            else f"{value:.4g}"
        )
        for name, value in metrics.items()
        if isinstance(value, int | float)
    }


def _contract(card: Card) -> str:
    cut = "cut to its central square and resized"
    if not card.central_crop:
        cut = "resized"
    shape = f"(batch, {card.side}, {card.side}, 3)"
    text = (
        f"Images are RGB in [0, 255], float32 {shape}; the model normalises "
        f"them. It returns logits, float32 (batch, {len(card.class_names)})."
    )
    if "saved_model" in card.files:
        text += (
            " The SavedModel's signature `serving_default` takes `images` and "
            "returns `logits` and `probabilities`; `serve_encoded` takes "
            "`encoded`, the contents of JPEG, PNG, BMP or GIF files, string "
            "(batch,): each is decoded (of a GIF the first frame), turned "
            f"upright as its EXIF data say, and {cut} to {card.side} x "
            f"{card.side} pixels, as in the evaluation."
        )
    return text


def _examples(card: Card) -> str:
    blocks = []
    for name, file in card.files.items():
        lines = "\n".join(_EXAMPLES[name])
        code = lines.format(file=file, side=card.side)
        blocks.append(f"`{file}`:\n\n```python\n{code}\n```")
    return "\n\n".join(blocks)
