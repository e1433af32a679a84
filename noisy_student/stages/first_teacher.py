"""The first teacher of another run, in place of training the same one again.

Runs that differ only in what comes after it, such as the selection of pseudo
labels or the student's noise, have the same first teacher.
"""

from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.files import run_directory, writing
from noisy_student.stages.generations import Training
from noisy_student.training import is_finished

# Settings of what comes after the first teacher, which is supervised. Those of
# the unlabelled images are not among them: a split that these do not take may
# become the validation images.
_OF_STUDENTS = (
    "pseudo_labels",
    "self_training",
    "consistency",
    "teacher_softmax_temp",
    "teacher_train_steps",  # it is in train_steps already
    "unl_aug",
    "noise_teacher",
    "robustness",  # each run measures its own
)


def check(training: Training, other_run: str) -> None:
    """Refuses another run unless its first teacher is the one to be trained.

    Args:
        training: that of the first teacher.
        other_run: the directory of the other run.

    Raises:
        ValueError: the other run has no trained first teacher, or one of other
            settings.
    """
    if is_finished(training.settings.directory):
        return
    directory = _trained(other_run)
    if not is_finished(directory):
        raise ValueError(
            f"teacher_run_dir: {other_run} has no trained first teacher; name "
            "the model_dir of a run of mode=self_train that has one."
        )
    changes = run_directory.differences(
        directory, training.settings, _OF_STUDENTS
    )
    if changes:
        raise ValueError(
            f"teacher_run_dir: {other_run} has another first teacher: "
            f"{changes}. Give the same flags, or leave teacher_run_dir out."
        )


def take_over(training: Training, other_run: str) -> None:
    """Copies its evaluations and its model, unless a model is there already.

    Args:
        training: that of the first teacher, whose directory is claimed.
        other_run: the directory of the other run; see `check`.

    Raises:
        InputError: nothing can be written, such as to a full disk.
    """
    directory = training.settings.directory
    if is_finished(directory):
        return
    # The model comes last, for it says that the training is finished.
    for name in (run_directory.METRICS_FILE, run_directory.MODEL_FILE):
        writing.copy(_trained(other_run) / name, directory / name)


def _trained(other_run: str) -> epath.Path:
    return run_directory.generation_directory(to_path(other_run), 0)
