"""Splits by expression: `train`, `train[:4000]`, `train[10%:]+validation`.

The syntax, and what it means, is that of tensorflow-datasets.
"""

import dataclasses

from noisy_student.data.image_set import WHOLE, ImageSet, Span


@dataclasses.dataclass(frozen=True)
class _SplitInfo:
    """What tensorflow-datasets asks of a split; sizes only where it asks."""

    owner: ImageSet
    split: str

    @property
    def num_examples(self) -> int:
        return self.owner.num_images(self.split)


def resolve(expression: str, owner: ImageSet, flag: str) -> list[Span]:
    """The images that an expression means, at least one.

    Args:
        expression: such as `train[:50]+validation`.
        owner: whose splits these are.
        flag: that gave the expression, for messages.

    Raises:
        ValueError: there is no such split, the expression is none, or it
            means no images.
    """
    names = owner.split_names()
    if expression in names or expression == WHOLE:
        spans = [Span(expression, 0, owner.num_images(expression))]
    elif "[" in expression or "+" in expression:
        spans = _resolve_expression(expression, owner, flag)
    else:
        raise ValueError(
            f"{flag}={expression!r} is no split of {owner.name}, which has "
            f"{', '.join(names)}."
        )
    if not any(span.stop > span.start for span in spans):
        raise ValueError(f"{flag}={expression!r} of {owner.name} is empty.")
    return spans


def _resolve_expression(
    expression: str, owner: ImageSet, flag: str
) -> list[Span]:
    import tensorflow_datasets as tfds  # slow, and seldom needed

    names = owner.split_names()
    infos = {name: _SplitInfo(owner, name) for name in names}
    try:
        instruction = tfds.core.ReadInstruction.from_spec(expression)
        absolute = instruction.to_absolute(infos)
    # The last: [1shard:] and the like, for which directories have no sizes.
    except (ValueError, NotImplementedError, AttributeError) as error:
        raise ValueError(
            f"{flag}={expression!r} is no split of {owner.name}, which has "
            f"{', '.join(names)} ({error})."
        ) from error
    return [
        Span(
            part.splitname,
            part.from_ or 0,
            owner.num_images(part.splitname) if part.to is None else part.to,
        )
        for part in absolute
    ]
