"""The pseudo labels of a generation: made anew, or only labelled again."""

import dataclasses
import pathlib
from collections.abc import Sequence

from noisy_student import pseudo_labels
from noisy_student.files import writing
from noisy_student.pseudo_labels import PseudoLabelStats
from noisy_student.stages import predict
from noisy_student.stages.experiment import Experiment


def make_labels(
    experiment: Experiment,
    teacher: pathlib.Path,
    directory: pathlib.Path,
    seed: int,
    earlier: Sequence[pathlib.Path],
) -> PseudoLabelStats:
    """Labels images for a student, and removes labels that none needs.

    Every worker calls this alike.

    Args:
        experiment: Of the student.
        teacher: A `.keras` file.
        directory: Gets the predictions and the records.
        seed: Of the random copies.
        earlier: The same directories of earlier generations, the oldest
            first. With `filter_once` the newest one's images are taken.

    Returns:
        What was kept. Where images were only labelled again, each of their
        copies counts.
    """
    loop = experiment.config.self_training
    chosen = earlier[-1] if loop.filter_once and earlier else None
    if loop.keep_pseudo_labels == "last":
        _remove(experiment, [path for path in earlier if path != chosen])
    # A teacher takes images of its own size, whatever the student's.
    any_size = dataclasses.replace(
        experiment.config.data, input_image_size=None
    )
    labelling = dataclasses.replace(
        experiment,
        config=dataclasses.replace(experiment.config, data=any_size),
    )
    if chosen is None:
        return predict.make_pseudo_labels(labelling, teacher, directory, seed)
    # Once they are done, the records that they were made from may be gone.
    if not experiment.devices.agree(pseudo_labels.is_complete(directory)):
        labelling = predict.of_filtered_images(labelling, chosen)
        predict.make_pseudo_labels(labelling, teacher, directory, seed)
    if loop.keep_pseudo_labels == "last":
        _remove(experiment, [chosen])
    return PseudoLabelStats.load(directory)


def _remove(
    experiment: Experiment, directories: Sequence[pathlib.Path]
) -> None:
    """Removes predictions and records; counts, samples and the like stay."""
    if not experiment.devices.is_chief:
        return
    for directory in directories:
        files = predict.label_files(experiment.config, directory)
        writing.remove(files.output_dir)
        pseudo_labels.remove_records(directory)
