"""What directories of images have in common, whatever is in them."""

import dataclasses
from typing import NamedTuple, Protocol

import numpy as np

from noisy_student.data import sources

WHOLE = "."  # the split of a directory that is one heap of images


class Span(NamedTuple):
    """The images of a split from `start` to before `stop`."""

    split: str
    start: int
    stop: int


class Classes(NamedTuple):
    """The labels' meaning; `names` is None where nothing says them."""

    number: int
    names: tuple[str, ...] | None


@dataclasses.dataclass(frozen=True)
class DirectorySource(sources.ImageSource):
    """Images of a directory, whose headers can be looked at."""

    def sizes(self, numbers: np.ndarray) -> list[tuple[int, int] | None]:
        """Width and height of some images; None where a header is broken.

        Args:
            numbers: int (images,), their places in the order, ascending.
        """
        raise NotImplementedError


class ImageSet(Protocol):
    """Directories of images in splits, each a sequence of images.

    Attributes:
        name: of the directories, for messages.
    """

    name: str

    def split_names(self) -> list[str]:
        """The splits."""

    def unlabeled_split(self) -> str | None:
        """The split to take where all images are unlabelled, if it is plain."""

    def num_images(self, split: str) -> int:
        """The size of a split."""

    def class_names(self, labeled: list[str]) -> tuple[str, ...] | None:
        """The classes of labelled splits; None where nothing says them."""

    def source(
        self,
        spans: list[Span],
        classes: Classes | None,
        name: str,
        labeled: bool,
    ) -> DirectorySource:
        """The images of some spans.

        Args:
            spans: one after the other.
            classes: None where there are no labels.
            name: of the source.
            labeled: whether every image must have one of the classes.
        """
