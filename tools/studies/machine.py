"""By what program and on what machine a run was made."""

import dataclasses
import pathlib
import platform
import re
import subprocess
from collections.abc import Mapping

import psutil

from noisy_student import cores
from noisy_student.errors import counted
from noisy_student.report import versions

_ROOT = pathlib.Path(__file__).parents[2]
# What a run is made by; documents and studies beside it may change.
_PROGRAM = ("main.py", "noisy_student", "flags/*.py")
_PROCESSORS = pathlib.Path("/proc/cpuinfo")  # of Linux


@dataclasses.dataclass(frozen=True)
class Machine:
    """What results depend on beside the flags.

    Attributes:
        commit: of the program; None outside of a git checkout.
        has_changes: whether the program's files differ from the commit's.
        versions: of the program and of the libraries that it uses, by name.
        processor: its name.
        cores: that the study may use.
        memory_gib: of the machine.
        jobs: runs at once.
    """

    commit: str | None
    has_changes: bool
    versions: Mapping[str, str]
    processor: str
    cores: int
    memory_gib: float
    jobs: int

    def __str__(self) -> str:
        made_by = "no commit" if self.commit is None else self.commit[:7]
        changes = " with changes" if self.has_changes else ""
        libraries = ", ".join(
            f"{name} {version}" for name, version in self.versions.items()
        )
        at_once = f", {self.jobs} runs at once" if self.jobs > 1 else ""
        return (
            f"{made_by}{changes}; {libraries}; {self.processor}, "
            f"{counted(self.cores, 'core')}, {self.memory_gib:g} GiB{at_once}"
        )


def describe(jobs: int) -> Machine:
    """Describes this machine and program, with so many runs at once."""
    return Machine(
        commit=_git("rev-parse", "HEAD"),
        has_changes=bool(_git("status", "--porcelain", "--", *_PROGRAM)),
        versions=versions.versions(),
        processor=_processor(),
        cores=cores.available(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        jobs=jobs,
    )


def _git(*arguments: str) -> str | None:
    """What git says, without the end of the line; None where it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_ROOT, capture_output=True, text=True
        )
    except OSError:  # it is not installed
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    if _PROCESSORS.is_file():
        name = re.search(
            r"^model name\s*: (.+)$", _PROCESSORS.read_text(), re.M
        )
        if name:
            return name[1]
    return platform.processor() or platform.machine()
