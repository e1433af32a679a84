r"""What do shorter forms of the stored probabilities cost in the targets?

Bytes per image, and how far the soft targets of training move, for float16
and for the k most probable classes (the rest of the probability is spread
over the others evenly). Of made-up predictions, or of a teacher's:

  python -m tools.benchmarks.target_storage --num_classes=1000
  python -m tools.benchmarks.target_storage --num_classes=10 \
    --predictions=runs/cifar10/generation_01/pseudo_labels/predictions
"""

import json

import numpy as np
from absl import app, flags
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data import records
from noisy_student.pseudo_labels import select
from tools.benchmarks import choices

_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes", 1000, "Classes of the predictions."
)
_PREDICTIONS = flags.DEFINE_string(
    "predictions",
    None,
    "The output_dir of --mode=predict; default: made-up predictions.",
)
_IMAGES = flags.DEFINE_integer(
    "images", 20_000, "Number of made-up predictions.", lower_bound=1
)
_TOP_K = choices.define_numbers(
    "top_k", [5, 10, 50], "How many classes to keep, a list."
)


def made_up(num_classes: int, size: int) -> np.ndarray:
    """Makes up probabilities, from very sure to unsure: (size, classes)."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(size, num_classes)).astype(np.float32)
    # Heavy tails: few classes are like the right one.
    logits *= 1 + generator.exponential(1, (size, num_classes))
    labels = generator.integers(0, num_classes, size)
    logits[np.arange(size), labels] += generator.uniform(4, 14, size)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def read_all(directory: epath.Path, num_classes: int) -> np.ndarray:
    """Reads all predictions of a directory: float32 (images, classes)."""
    batches = [
        batch
        for path in sorted(directory.glob("train-info-*"))
        for batch in records.read_predictions(path, num_classes)
    ]
    if not batches:
        raise SystemExit(f"{directory} has no files train-info-*.")
    return np.concatenate(batches)


def as_float16(rows: np.ndarray) -> np.ndarray:
    """Rounds to float16 and back."""
    return rows.astype(np.float16).astype(np.float32)


def as_top_k(rows: np.ndarray, k: int) -> np.ndarray:
    """Keeps the k largest in float16 and spreads the rest over the others."""
    num_classes = rows.shape[1]
    top = np.argpartition(rows, -k, axis=1)[:, -k:]
    kept = as_float16(np.take_along_axis(rows, top, axis=1))
    missing = np.maximum(1 - kept.sum(axis=1, keepdims=True), 0)
    result = np.repeat(missing / max(num_classes - k, 1), num_classes, axis=1)
    np.put_along_axis(result, top, kept, axis=1)
    return result


def compare(rows: np.ndarray, stored: np.ndarray) -> dict[str, float]:
    """Measures how targets and choice differ.

    Returns:
        `distance`: half the sum of absolute differences of the targets, the
        mean over images; `label`: share of images with another label; `bin`:
        share counted in another hundredth of the top probability.
    """
    labels, top = select.top_classes(rows)
    other_labels, other_top = select.top_classes(stored)
    return {
        "distance": float(np.abs(rows - stored).sum(axis=1).mean() / 2),
        "label": float((labels != other_labels).mean()),
        "bin": float((np.floor(top * 100) != np.floor(other_top * 100)).mean()),
    }


def main(_: list[str]) -> None:
    """Prints the table and the figures."""
    num_classes = _NUM_CLASSES.value
    directory = _PREDICTIONS.value
    rows = (
        read_all(to_path(directory), num_classes)
        if directory
        else made_up(num_classes, _IMAGES.value)
    )
    index = 1 if num_classes <= 256 else 2  # bytes of a class
    forms = {
        "float32": (rows, 4 * num_classes),
        "float16": (as_float16(rows), 2 * num_classes),
    } | {
        f"top {k}": (as_top_k(rows, k), (2 + index) * k)
        for k in choices.numbers(_TOP_K)
        if k < num_classes
    }
    figures: dict[str, float] = {}
    print(
        f"{len(rows)} images, {num_classes} classes, mean top probability "
        f"{rows.max(axis=1).mean():.2f}"
    )
    print(
        f"{'':>8}{'bytes':>7}{'distance':>11}{'other label':>13}"
        f"{'other bin':>11}"
    )
    for name, (stored, size) in forms.items():
        result = compare(rows, stored)
        print(
            f"{name:>8}{size:>7}{result['distance']:>11.5f}"
            f"{result['label']:>13.5f}{result['bin']:>11.5f}"
        )
        key = name.replace(" ", "_")
        figures |= {f"{key}_{k}": round(v, 6) for k, v in result.items()}
        figures[f"{key}_bytes"] = size
    print(json.dumps(figures))


if __name__ == "__main__":
    app.run(main)
