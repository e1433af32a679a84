"""What one call of the study tool is to run, and where."""

import dataclasses
import os
from collections.abc import Sequence

from etils import epath

from noisy_student.config.paths import is_remote, to_path
from noisy_student.errors import listed
from tools.studies import arms
from tools.studies.arms import Arm
from tools.studies.results import Results
from tools.studies.runs import Run
from tools.studies.settings import StudySettings


@dataclasses.dataclass(frozen=True)
class Plan:
    """A study, and what is asked of it.

    Attributes:
        settings: of the call.
        name: of the study.
        arms: all of the study, the base first.
        chosen: those that are to be run.
        directory: of its runs.
        file: of its results.
    """

    settings: StudySettings
    name: str
    arms: Sequence[Arm]
    chosen: Sequence[Arm]
    directory: epath.Path
    file: epath.Path

    @property
    def chart(self) -> epath.Path:
        """The file of the chart."""
        return self.file.with_suffix(".svg")

    def known_runs(self) -> list[Run]:
        """The runs of all arms, in the order in which they are run."""
        runs = [
            Run(arm, seed, self.directory)
            for seed in self.settings.seeds
            for arm in self.arms
        ]
        if self.settings.share_teacher:
            # The base arm's come first: the others take over their teachers.
            runs.sort(key=lambda run: run.arm != self.arms[0])
        return runs

    def runs(self) -> list[Run]:
        """Those of the arms that are to be run."""
        return [run for run in self.known_runs() if run.arm in self.chosen]

    def results(self, earlier: Results | None) -> Results:
        """Earlier results of these arms, as this call's tables show them."""
        settings = self.settings
        found = earlier.arms if earlier else {}
        return Results(
            self.name,
            settings.base_name,
            settings.generations,
            found,
            settings.compared_with,
        ).with_arms(self.arms)

    def check_paths(self) -> None:
        """Refuses, before anything runs, what could not be written at the end.

        Raises:
            ValueError: naming the setting and the path.
        """
        for run in self.runs():
            check_writable("runs_dir", run.log)
        for path in (self.file, self.chart):
            check_writable("results_dir", path)

    def check_kept(self, earlier: Results) -> None:
        """Refuses to drop results that no run here could bring back.

        Raises:
            ValueError: naming their arms.
        """
        lost = [
            name
            for name in earlier.dropped_by(self.arms)
            if not all(run.record.exists() for run in self._of(earlier, name))
        ]
        if lost:
            raise ValueError(
                f"results_dir: {self.file} has results of {listed(lost)} with "
                "flags that are no longer the study's, and their runs are not "
                f"in {self.directory}: they would be lost. Name another "
                "--results_dir."
            )

    def _of(self, earlier: Results, name: str) -> list[Run]:
        arm = earlier.arms[name]
        return [
            Run(Arm(name, arm.flags), seed, self.directory) for seed in arm.runs
        ]


def make(settings: StudySettings, arguments: Sequence[str]) -> Plan:
    """Reads the flag files, and finds the places.

    Args:
        settings: of the call.
        arguments: flags of main.py that apply to every run.

    Raises:
        ValueError: one of them cannot be used.
    """
    if settings.study is None:
        raise ValueError(
            "study must be set: --study=flags/studies/NAME runs a study, "
            "--results=FILE shows what one came to."
        )
    source = local_path("study", settings.study)
    found = arms.read(source, arguments)
    if settings.base_name in [arm.name for arm in found[1:]]:
        raise ValueError(
            "base_name must not be that of another arm; got "
            f"{settings.base_name!r}."
        )
    if settings.share_teacher:
        arms.check_self_training(found)
    arms.check_names("compared_with", settings.compared_with, found[1:])
    arms.check_names("only_arms", settings.only_arms, found)
    chosen = arms.choose(found, settings.only_arms)
    name = source.resolve().name
    directory = local_path("runs_dir", settings.runs_dir) / name
    results_dir = settings.results_dir or str(directory)
    file = local_path("results_dir", results_dir) / f"{name}.json"
    return Plan(settings, name, found, chosen, directory, file)


def local_path(name: str, path: str) -> epath.Path:
    """The path that a setting names.

    Raises:
        ValueError: it is not on this machine.
    """
    if is_remote(path):
        raise ValueError(f"{name} must be on this machine; got {path}.")
    return to_path(path)


def check_writable(name: str, path: epath.Path) -> None:
    """Refuses what could not be written.

    Raises:
        ValueError: naming the setting and the path.
    """
    if path.is_dir():
        raise ValueError(
            f"{name}: {path} is to be written, and is a directory."
        )
    there = next(parent for parent in path.parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(
            f"{name}: {path} cannot be written, for {there} is no directory "
            "that can be written to."
        )
