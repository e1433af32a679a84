"""The runs of a study, and where each has what it leaves."""

import dataclasses
from collections.abc import Iterator

from etils import epath

from noisy_student.files import run_directory, writing
from tools.studies import written
from tools.studies.arms import Arm
from tools.studies.results import Record

FLAGS_FILE = "flags.cfg"


@dataclasses.dataclass(frozen=True)
class Run:
    """One arm with one seed.

    Attributes:
        arm: what is run.
        seed: of everything that is drawn.
        study: the directory of the study's runs.
    """

    arm: Arm
    seed: int
    study: epath.Path

    def __str__(self) -> str:
        return f"{self.arm.name}, seed {self.seed}"

    @property
    def flag_file(self) -> epath.Path:
        """The flags of the arm, in a directory of these flags alone."""
        folder = f"{self.arm.name}-{self.arm.digest}"
        return self.study / folder / FLAGS_FILE

    @property
    def directory(self) -> epath.Path:
        """The run directory."""
        return self.flag_file.with_name(f"seed_{self.seed}")

    @property
    def log(self) -> epath.Path:
        """What main.py says; beside the run directory, which is its own."""
        return self.flag_file.with_name(f"seed_{self.seed}.log")

    @property
    def record(self) -> epath.Path:
        """What it came to; it is there once the run is finished."""
        return self.flag_file.with_name(f"seed_{self.seed}.json")


def load_record(run: Run) -> Record | None:
    """Reads what a run came to; None where it is not finished.

    A run of the same flags in another study of the same RUNS_DIR is the same.

    Raises:
        InputError: the file is damaged, or of another version.
    """
    path = next((x for x in _places(run, run.record) if x.exists()), None)
    if path is None:
        return None
    try:
        return Record.from_json(writing.read_json(path))
    except written.ERRORS as error:
        advice = "Remove it, and the same command makes it again."
        raise written.complaint(path, error, advice) from error


def with_teacher(run: Run) -> epath.Path | None:
    """The directory of a run of these flags whose first teacher is trained.

    It may be of another study of the same RUNS_DIR. None if there is none.
    """
    places = _places(run, run.directory)
    return next((x for x in places if run_directory.generation_models(x)), None)


def save_record(run: Run, record: Record) -> None:
    """Keeps what a run came to.

    Raises:
        InputError: it cannot be written, such as to a full disk.
    """
    writing.write_json(run.record, record.to_json())


def _places(run: Run, path: epath.Path) -> Iterator[epath.Path]:
    """Where a file or directory of a run may be: there, or in other studies."""
    yield path
    yield from sorted(
        run.study.parent.glob(f"*/*-{run.arm.digest}/{path.name}")
    )
