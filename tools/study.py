r"""Compares experiments over seeds, such as those of a paper's table.

A study is a directory of flag files of main.py: base.cfg is the first arm, and
every other file an arm whose flags come after those of base.cfg. Each arm runs
once per seed. The same command goes on after a kill; a finished run is repeated
only where a flag has changed:

  python -m tools.study --study=flags/studies/methods_digits \
    --runs_dir=runs/studies
  python -m tools.study \
    --results=runs/studies/methods_digits/methods_digits.json

The second prints the tables of the first again, from the results alone. Flags
of main.py apply to every run, such as --tfds_data_dir=DATA. What a run says is
in RUNS_DIR/STUDY/ARM-DIGEST/seed_N.log, beside its directory and its flags.
docs/compare.md says more.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from absl import app
from absl import flags as absl_flags
from etils import epath

import flags
from flags.entry import USAGE_ERROR, parse_flags, run_stage
from noisy_student.config.paths import is_remote, to_path
from noisy_student.errors import InputError, listed
from tools.studies import (
    arms,
    chart,
    outcomes,
    processes,
    results,
    runs,
    tables,
)
from tools.studies.processes import Attempt
from tools.studies.results import Record, Results
from tools.studies.runs import Run
from tools.studies.settings import SETTINGS_FILE, StudySettings, check_file

flags.define(StudySettings)


class Study:
    """Runs every arm with every seed, and compares them.

    Args:
        settings: what to compare, and where.
        arguments: flags of main.py that apply to every run.
    """

    def __init__(
        self, settings: StudySettings, arguments: Sequence[str]
    ) -> None:
        self.settings, self.arguments = settings, list(arguments)

    def validate(self) -> None:
        """Checks the flag files, the paths, and the results so far.

        Raises:
            ValueError: one of them cannot be used.
        """
        settings = self.settings
        source = local_path("study", settings.study)
        self.arms = arms.read(source, self.arguments)
        if settings.base_name in [arm.name for arm in self.arms[1:]]:
            raise ValueError(
                "base_name must not be that of another arm; got "
                f"{settings.base_name!r}."
            )
        chosen = arms.choose(self.arms, settings.only_arms)
        self.cores = processes.share_cores(settings.jobs)
        self.name = source.resolve().name
        directory = local_path("runs_dir", settings.runs_dir) / self.name
        results_dir = settings.results_dir or str(directory)
        self.file = local_path("results_dir", results_dir) / f"{self.name}.json"
        self.known_runs = [
            Run(arm, seed, directory)
            for seed in settings.seeds
            for arm in self.arms
        ]
        self.runs = [run for run in self.known_runs if run.arm in chosen]
        for run in self.runs:
            check_writable("runs_dir", run.log)
        for path in (self.file, self.file.with_suffix(".svg")):
            check_writable("results_dir", path)
        self.so_far = self._load()

    def run(self) -> None:
        """Runs what is not finished; writes and prints the results.

        Raises:
            InputError: some runs failed; the others are in the results.
        """
        for line in self.so_far.dropped_by(self.arms):
            say(f"{self.file}: {line}.")
        self.finished = self._find_finished()
        waiting = [run for run in self.runs if run not in self.finished]
        if len(waiting) < len(self.runs):
            say(f"{self._progress()} runs are finished already.")
        self.failed: list[Run] = []
        self.attempts: dict[Run, Attempt] = {}
        processes.finish_all(waiting, self.cores, self._start, self._take)
        if self.finished:
            so_far = self._save()
            chart.write(so_far, self.file.with_suffix(".svg"))
            print(tables.show(so_far), flush=True)
        if self.failed:
            logs = listed([f"{run} ({run.log})" for run in self.failed])
            raise InputError(
                f"{len(self.failed)} of {len(self.runs)} runs failed; the same "
                f"command starts them again: {logs}."
            )

    def _find_finished(self) -> dict[Run, Record]:
        """What is known of runs, also of arms that are not chosen."""
        fitting = self.so_far.with_arms(self.arms).arms
        found = {
            run: fitting[run.arm.name].runs.get(run.seed)
            or runs.load_record(run)
            for run in self.known_runs
        }
        return {run: record for run, record in found.items() if record}

    def _start(self, run: Run) -> subprocess.Popen:
        self.attempts[run] = Attempt.of(run, self.settings.jobs)
        return processes.start(run)

    def _take(self, run: Run, code: int) -> None:
        """Records a run that has ended, or that it failed."""
        try:
            processes.check(run, code, self.attempts[run])
            outcome = outcomes.read(run.directory)
        except InputError as error:
            self.failed.append(run)
            say(f"failed: {run}: {error}")
            return
        record = self.finished[run] = Record(
            outcome, self.attempts[run].machine
        )
        runs.save_record(run, record)
        self._save()
        top_1 = " -> ".join(f"{each.top_1:.2f}" for each in outcome.generations)
        say(f"{self._progress()}: {run}, {top_1} %, {outcome.seconds:.0f} s")

    def _progress(self) -> str:
        done = sum(run in self.finished for run in self.runs)
        return f"{done} of {len(self.runs)}"

    def _load(self) -> Results:
        """The results so far, with this call's settings of the tables."""
        settings = self.settings
        earlier = results.load(self.file) if self.file.exists() else None
        return Results(
            self.name,
            settings.base_name,
            settings.generations,
            earlier.arms if earlier else {},
        )

    def _save(self) -> Results:
        """Adds what is finished to the file, which others may have changed."""
        so_far = self._load().with_arms(self.arms)
        for run, record in self.finished.items():
            so_far = so_far.with_run(run.arm.name, run.seed, record)
        results.save(self.file, so_far)
        return so_far


class Shown:
    """Prints the tables of results, without any run or flag file.

    Args:
        path: the file of results.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def validate(self) -> None:
        """Checks that no flag says something else, and reads the file.

        Raises:
            ValueError: the flags or the file cannot be used.
        """
        own = [field.name for field in flags.fields_of(StudySettings)]
        for name in (*own, *flags.names()):
            if absl_flags.FLAGS[name].present and name != "results":
                raise ValueError(
                    f"results are shown as they are; leave out --{name}."
                )
        self.results = results.load(local_path("results", self.path))

    def run(self) -> None:
        """Prints them."""
        print(tables.show(self.results))


def local_path(name: str, path: str | None) -> epath.Path:
    """The path that a setting names.

    Raises:
        ValueError: there is none, or it is not on this machine.
    """
    if not path:
        raise ValueError(
            f"{name} must be set: --study=flags/studies/NAME runs a study, "
            "--results=FILE shows what one came to."
        )
    if is_remote(path):
        raise ValueError(f"{name} must be on this machine; got {path}.")
    return to_path(path)


def check_writable(name: str, path: epath.Path) -> None:
    """Refuses, before anything runs, what could not be written at the end.

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


def say(line: str) -> None:
    """Tells of the progress, apart from the results."""
    print(line, file=sys.stderr, flush=True)


def parse(argv: list[str]) -> list[str]:
    """Parses the command line, which comes after the study's own settings."""
    rest = parse_flags(argv)
    directory = absl_flags.FLAGS["study"].value
    if not directory or is_remote(directory):
        return rest
    path = to_path(directory) / SETTINGS_FILE
    if not path.is_file():
        return rest
    try:
        check_file(path)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)
    return parse_flags([argv[0], f"--flagfile={path}", *argv[1:]])


def make_stage() -> Study | Shown:
    """What the flags ask for."""
    settings = flags.read(StudySettings)
    if settings.results is not None:
        return Shown(settings.results)
    given = [absl_flags.FLAGS[name] for name in flags.names()]
    arguments = [flag.serialize() for flag in given if flag.present]
    return Study(settings, arguments)


def main(argv: list[str]) -> None:
    """Compares what the flags name."""
    run_stage(argv, make_stage)


if __name__ == "__main__":
    flags.show_in_help(StudySettings)
    app.run(main, flags_parser=parse)
