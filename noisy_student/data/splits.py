"""Chooses images by a split expression.

Expressions such as `train`, `train[:4000]` and `train[10%:]+validation` have
the syntax and meaning of tensorflow-datasets.
"""

import dataclasses

from noisy_student.data.sources import ImageSet, ImageSource, Span

WHOLE = "."  # the split of a directory whose images lie in no splits
_ALL = "all"  # tensorflow-datasets' name for the sum of all splits


def open_split(
    images: ImageSet,
    expression: str,
    flag: str,
    num_classes: int | None = None,
) -> ImageSource:
    """Returns the images that an expression selects, at least one.

    Args:
        images: The image set with the splits.
        expression: For example `train[:50]+validation`.
        flag: The flag that gave the expression, for messages.
        num_classes: See `ImageSet.source`.

    Raises:
        ValueError: See `resolve`.
    """
    spans = resolve(expression, images, flag)
    return images.source(spans, f"{images.name} {expression}", num_classes)


def split_names(expression: str, images: ImageSet) -> list[str]:
    """Returns the splits of the image set that an expression mentions."""
    names = [term.split("[")[0].strip() for term in expression.split("+")]
    return [
        name
        for name in images.split_names()
        if name in names or expression == _ALL
    ]


def resolve(expression: str, images: ImageSet, flag: str) -> list[Span]:
    """Returns the spans of images that an expression selects.

    Args:
        expression: For example `train[:50]+validation`.
        images: The image set with the splits.
        flag: The flag that gave the expression, for messages.

    Raises:
        ValueError: There is no such split, the expression is malformed, or it
            selects no images.
    """
    names = images.split_names()
    if expression in names or expression == WHOLE:
        spans = [Span(expression, 0, sum(images.shard_sizes(expression)))]
    elif "[" in expression or "+" in expression or expression == _ALL:
        spans = _resolve_slices(expression, images, flag)
    else:
        raise ValueError(
            f"{flag}={expression!r} is no split of {images.name}, which has "
            f"{', '.join(names)}."
        )
    if not any(span.stop > span.start for span in spans):
        raise ValueError(f"{flag}={expression!r} of {images.name} is empty.")
    return spans


def overlap(spans: list[Span], others: list[Span]) -> bool:
    """Whether two lists of spans have an image in common."""
    return any(
        a.split == b.split and max(a.start, b.start) < min(a.stop, b.stop)
        for a in spans
        for b in others
    )


@dataclasses.dataclass(frozen=True)
class _SplitInfo:
    """What tensorflow-datasets asks about a split; counted only if asked."""

    images: ImageSet
    name: str

    @property
    def shard_lengths(self) -> list[int]:
        return list(self.images.shard_sizes(self.name))

    @property
    def num_examples(self) -> int:
        return sum(self.shard_lengths)


def _resolve_slices(expression: str, images: ImageSet, flag: str) -> list[Span]:
    import tensorflow_datasets as tfds  # slow, and seldom needed

    names = images.split_names()
    infos = {name: _SplitInfo(images, name) for name in names}
    try:
        instruction = tfds.core.ReadInstruction.from_spec(expression)
        slices = instruction.to_absolute(infos)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(
            f"{flag}={expression!r} is no split of {images.name}, which has "
            f"{', '.join(names)} ({error})."
        ) from error
    return [
        Span(
            each.splitname,
            each.from_ or 0,
            infos[each.splitname].num_examples if each.to is None else each.to,
        )
        for each in slices
    ]
