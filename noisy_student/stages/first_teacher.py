"""The first teacher of another run, in place of training the same one again.

Runs that differ only in what comes after it, such as in the selection of pseudo
labels or in the student's noise, have the same first teacher.
"""

from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.files import run_directory, writing
from noisy_student.stages.generations import Training
from noisy_student.training import is_finished

# Settings of what comes after the first teacher. It is supervised: unlabelled
# images and what is done with them make no difference to it.
_OF_STUDENTS = (
    "pseudo_labels",
    "self_training",
    "consistency",
    "teacher_softmax_temp",
    "teacher_train_steps",  # train_steps has them
    "unl_aug",
    "noise_teacher",
    "unlabel_image_dir",
    "unlabel_data_dir",
    "unlabel_split",
)


def check(training: Training, run: str) -> None:
    """Refuses a run whose first teacher is not the one to be trained.

    Args:
        training: that of the first teacher.
        run: the directory of the other run.

    Raises:
        ValueError: it has none, or one of other settings.
    """
    if is_finished(training.settings.directory):
        return
    directory = _trained(run)
    if not is_finished(directory):
        raise ValueError(
            f"teacher_run_dir: {run} has no trained first teacher; name the "
            "model_dir of a run of mode=self_train that has one."
        )
    changes = run_directory.differences(
        directory, training.settings, _OF_STUDENTS
    )
    if changes:
        raise ValueError(
            f"teacher_run_dir: {run} has another first teacher: {changes}. "
            "Give the same flags, or leave teacher_run_dir out."
        )


def take_over(training: Training, run: str) -> None:
    """Copies what is left of its training, unless it is there already.

    Args:
        training: that of the first teacher, whose directory is claimed.
        run: the directory of the other run; see `check`.

    Raises:
        InputError: nothing can be written, such as to a full disk.
    """
    directory = training.settings.directory
    if is_finished(directory):
        return
    # The model comes last, for it says that the training is finished.
    for name in (run_directory.METRICS_FILE, run_directory.MODEL_FILE):
        writing.copy(_trained(run) / name, directory / name)


def _trained(run: str) -> epath.Path:
    return run_directory.generation_directory(to_path(run), 0)
