"""The images that a teacher labelled for a student, as a run left them.

The audit and the report look at them again.
"""

from collections.abc import Sequence

from etils import epath

from noisy_student import pseudo_labels
from noisy_student.pseudo_labels import stats
from noisy_student.pseudo_labels.layout import DATA_DIR
from noisy_student.stages import labels, predict
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.generations import Generation


def that_labelled(
    experiment: Experiment, plan: Sequence[Generation], student: int
) -> Experiment:
    """The experiment whose unlabelled images the teacher labelled.

    Raises:
        ValueError: The predictions, or the images, are no longer there.
    """
    directory = plan[student].labels
    if not (directory / stats.STATS_FILE).exists():
        raise ValueError(
            f"{directory} has no {stats.STATS_FILE}, which filtering leaves; "
            "is the run still whole?"
        )
    _check_there(experiment, directory / "predictions")
    if not experiment.config.self_training.filter_once or student == 1:
        return experiment
    earlier = plan[student - 1].labels
    _check_there(experiment, earlier / DATA_DIR)
    return labels.of_filtered_images(experiment, earlier)


def _check_there(experiment: Experiment, path: epath.Path) -> None:
    """Refuses pseudo labels of which a directory is gone."""
    if path.is_dir():
        return
    if experiment.config.self_training.keep_pseudo_labels == "last":
        why = "keep_pseudo_labels=last removed it"
    else:
        why = "it was removed"
    raise ValueError(
        f"{path}, which is needed, is not there: {why}. "
        "keep_pseudo_labels=all keeps what is needed of any generation; "
        "last keeps, without filter_once, what is needed of the newest."
    )


def filter_job(
    experiment: Experiment, student: Generation
) -> pseudo_labels.FilterJob:
    """The filtering that chose the student's images.

    Raises:
        ValueError: Predictions are missing.
        InputError: They are of other images, or the settings are others.
    """
    files = predict.label_files(experiment.config, student.labels)
    return pseudo_labels.FilterJob(
        experiment.data,
        pseudo_labels.LabelFiles(files, student.labels),
        experiment.config.pseudo_labels,
        student.trainings[0].seed,
    )
