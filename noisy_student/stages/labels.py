"""The pseudo labels of a generation: made anew, or only labelled again.

What earlier generations no longer serve for is removed here, too.
"""

import dataclasses
from collections.abc import Sequence

from etils import epath

from noisy_student import pseudo_labels
from noisy_student.files import writing
from noisy_student.pseudo_labels import PseudoLabelStats, stats
from noisy_student.pseudo_labels.layout import DATA_DIR
from noisy_student.stages import predict
from noisy_student.stages.experiment import Experiment

# What takes much room beside counts, samples and the like.
_PREDICTIONS_AND_RECORDS = ("predictions", DATA_DIR)


def make_labels(
    experiment: Experiment,
    teacher: epath.Path,
    directory: epath.Path,
    seed: int,
    earlier: Sequence[epath.Path],
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
    is_done = (directory / stats.STATS_FILE).exists()
    if not experiment.devices.agree(is_done):
        labelling = of_filtered_images(labelling, chosen)
        predict.make_pseudo_labels(labelling, teacher, directory, seed)
    if loop.keep_pseudo_labels == "last":
        _remove(experiment, [chosen])
    return PseudoLabelStats.load(directory)


def of_filtered_images(
    experiment: Experiment, filtered: epath.Path
) -> Experiment:
    """The experiment in which filtered images are the unlabelled ones.

    By `predict.make_pseudo_labels` all of them are kept and get new labels.

    Args:
        experiment: With its own images.
        filtered: The directory of the filtered records.

    Raises:
        ValueError: There are no such records there, or they are of other
            images than the experiment's.
    """
    data = pseudo_labels.all_filtered(experiment.data, filtered)
    settings = dataclasses.replace(
        experiment.config.pseudo_labels,
        num_shards=len(data.require_unlabeled().record_paths),
        total_replicas=1,
        use_all=True,
    )
    config = dataclasses.replace(experiment.config, pseudo_labels=settings)
    return dataclasses.replace(experiment, config=config, data=data)


def _remove(experiment: Experiment, directories: Sequence[epath.Path]) -> None:
    """Removes predictions and records, which the chief does for all."""
    if not experiment.devices.is_chief:
        return
    for directory in directories:
        for name in _PREDICTIONS_AND_RECORDS:
            writing.remove(directory / name)
