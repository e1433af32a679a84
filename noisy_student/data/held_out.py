"""Draws labelled images of each class: to keep labels, to validate, to test.

Images that validate choose between models, so that the test images need not:
these are looked at once, at the end.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from noisy_student.data.sources import ImageSource
from noisy_student.errors import listed

# Per class. With less of them, the best of several models is best by chance.
LEAST_TO_VALIDATE = 5
# Test images are the same in every run.
_TEST_SEED = 0


class Divided(NamedTuple):
    """Labelled images, divided.

    Attributes:
        trained: The images to train on.
        held_out: The others.
        note: What people should know of it.
    """

    trained: ImageSource
    held_out: ImageSource
    note: str


def quotas(counts: np.ndarray, number: int) -> np.ndarray:
    """Divides a number of images among classes in proportion to their sizes.

    Args:
        counts: The images of each class, int (classes,).
        number: From the number of classes that have images to the sum of
            `counts`.

    Returns:
        int64 (classes,): at least one for each class that has images, and at
        most what it has; their sum is `number`.
    """
    present = (counts > 0).astype(np.int64)
    # One of each first, then by largest remainders.
    others, rest = counts - present, number - present.sum()
    exact = others * (rest / max(1, others.sum()))
    found = np.floor(exact).astype(np.int64)
    largest = np.argsort(found - exact, kind="stable")
    found[largest[: rest - found.sum()]] += 1
    return present + found


def keep_labels(
    source: ImageSource,
    labels: np.ndarray,
    num_labeled: int,
    num_classes: int,
    seed: int,
) -> tuple[ImageSource, ImageSource | None]:
    """Lets a random subset keep its labels.

    It has equally many images of each class, or where these cannot be had, the
    same share of each.

    Args:
        source: The labelled images.
        labels: Their labels, int64 (images,).
        num_labeled: The size of the subset.
        num_classes: The number of classes.
        seed: The seed of the choice.

    Returns:
        The subset, and the other images or None if none are left.

    Raises:
        ValueError: There are fewer images, or more classes than `num_labeled`.
    """
    counts = np.bincount(labels, minlength=num_classes)
    if num_labeled > len(labels):
        raise ValueError(
            f"num_labeled={num_labeled} is more than the {len(labels)} images "
            f"of {source.name}."
        )
    if num_labeled < np.count_nonzero(counts):
        raise ValueError(
            f"num_labeled={num_labeled} must be at least the number of "
            f"classes, {np.count_nonzero(counts)}."
        )
    per_class, remainder = divmod(num_labeled, num_classes)
    chosen = np.full(num_classes, per_class)
    if remainder or counts.min() < per_class:
        chosen = quotas(counts, num_labeled)
    mask = _draw(labels, chosen, np.random.default_rng(seed))
    rest = source.subset(~mask)
    return source.subset(mask), rest if rest.num_images else None


def is_enough(source: ImageSource, fraction: float, num_classes: int) -> bool:
    """Whether a share has the five images of each class that validating needs.

    Args:
        source: The labelled images.
        fraction: The share, in (0, 1).
        num_classes: The number of classes.
    """
    number = round(fraction * source.num_images)
    return number >= LEAST_TO_VALIDATE * num_classes


def for_validation(
    source: ImageSource,
    fraction: float,
    class_names: Sequence[str],
    seed: int,
) -> Divided:
    """Holds out the same share of each class to validate; see `is_enough`.

    The only image of a class is trained on.

    Args:
        source: The labelled images.
        fraction: The share, in (0, 1).
        class_names: The names of the classes, for messages.
        seed: The seed of the choice.
    """
    divided, single = _divide(source, fraction, class_names, [seed, 1])
    note = (
        f"{divided.held_out.num_images} of {source.num_images} labelled images "
        "are held out to validate."
    )
    if single:
        note += f" None of them is of {listed(single)}, with a single image."
    return divided._replace(note=note)


def for_test(
    source: ImageSource, fraction: float, class_names: Sequence[str]
) -> Divided:
    """Holds out the same share of each class to test.

    Args:
        source: The labelled images.
        fraction: The share, in (0, 1).
        class_names: The names of the classes, for messages.

    Raises:
        ValueError: A class has a single image, or there would be less test
            images than classes.
    """
    number = round(fraction * source.num_images)
    if number < len(class_names):
        raise ValueError(
            f"test_fraction={fraction:g} of the {source.num_images} labelled "
            f"images of {source.name} is less than one per class; raise it, "
            "add images, or add a folder test with images of each class."
        )
    divided, single = _divide(source, fraction, class_names, _TEST_SEED)
    if single:
        raise ValueError(
            f"{source.name} has no test split and a single image of "
            f"{listed(single)}, which cannot be trained on and tested: add "
            "images, remove the class, or name a test_split."
        )
    note = (
        f"{source.name} has no test split: {divided.held_out.num_images} of "
        f"its {source.num_images} labelled images, the same in every run, are "
        "held out to test."
    )
    return divided._replace(note=note)


def _divide(
    source: ImageSource,
    fraction: float,
    class_names: Sequence[str],
    seed: int | Sequence[int],
) -> tuple[Divided, list[str]]:
    """Holds out images of each class, but never all of them.

    Returns:
        The images, and the names of the classes with a single image.
    """
    labels = source.labels()
    counts = np.bincount(labels, minlength=len(class_names))
    chosen = quotas(np.maximum(counts - 1, 0), round(fraction * len(labels)))
    mask = _draw(labels, chosen, np.random.default_rng(seed))
    pairs = zip(class_names, counts, strict=True)
    single = [name for name, count in pairs if count == 1]
    return Divided(source.subset(~mask), source.subset(mask), ""), single


def _draw(
    labels: np.ndarray, chosen: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Draws so many images of each class; returns a mask, bool (images,)."""
    mask = np.zeros(len(labels), bool)
    for label, number in enumerate(chosen):
        members = np.flatnonzero(labels == label)
        mask[generator.permutation(members)[:number]] = True
    return mask
