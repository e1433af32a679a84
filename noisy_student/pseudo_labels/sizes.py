"""What predictions and pseudo-labelled records will take on a disk."""

import numpy as np

from noisy_student.data import decoding, records, sources
from noisy_student.pseudo_labels.write import as_written

_FRAME = 16  # bytes of a TFRecord around its content
_SAMPLE = 100  # images that are looked at


def of_predictions(num_images: int, num_classes: int) -> int:
    """Bytes of the predictions of so many images; a few too many at most."""
    row = np.zeros(num_classes, np.float32)
    row[-1] = 1  # the class whose number takes most bytes
    return num_images * (_FRAME + len(records.encode_prediction(row)))


def of_records(
    images: sources.ImageSource,
    num_records: float,
    num_classes: int,
    max_side: int | None = None,
) -> int:
    """Bytes of so many pseudo-labelled records, estimated.

    Args:
        images: all unlabelled images; the first ones are read.
        num_records: number of records, copies included.
        num_classes: number of classes.
        max_side: see `write.as_written`.

    Raises:
        InputError: the images are damaged.
    """
    row = np.zeros(num_classes, np.float32)
    with decoding.input_errors(images.record_paths):
        batches = images.read_batches(_SAMPLE).take(1).as_numpy_iterator()
        encoded = [
            as_written(image, images.exif, max_side)
            for batch in batches
            for image in batch["encoded"]
        ]
    sizes = [
        _FRAME + len(records.encode_pseudo_labeled(image, 0, row))
        for image in encoded
    ]
    return int(num_records * np.mean(sizes))
