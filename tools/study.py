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

import dataclasses
import subprocess
import sys

from absl import app
from absl import flags as absl_flags

import flags
from flags.entry import USAGE_ERROR, parse_flags, run_stage
from noisy_student.config.paths import is_remote, to_path
from noisy_student.errors import InputError, listed
from tools.studies import (
    chart,
    locks,
    outcomes,
    plans,
    processes,
    results,
    runs,
    tables,
)
from tools.studies.plans import Plan
from tools.studies.processes import Attempt
from tools.studies.results import Record, Results
from tools.studies.runs import Run
from tools.studies.settings import SETTINGS_FILE, StudySettings, check_file

flags.define(StudySettings)


class Study:
    """Runs every arm with every seed, and compares them.

    Args:
        plan: what to run, and where.

    Raises:
        ValueError: there are too few cores for it.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.runs = plan, plan.runs()
        self.cores = processes.share_cores(plan.settings.jobs)
        self.finished: dict[Run, Record] = {}  # also of arms not chosen
        self.attempts: dict[Run, Attempt] = {}
        self.failed: list[Run] = []
        self.dropped: list[str] = []  # a line for each arm

    def validate(self) -> None:
        """Checks the paths, and the results so far.

        Raises:
            ValueError: one of them cannot be used.
        """
        self.plan.check_paths()
        earlier = self._load()
        if earlier is not None:
            self.plan.check_kept(earlier)
            self.dropped = [*earlier.dropped_by(self.plan.arms).values()]
        self._find_finished(earlier)
        self._check_others()

    def run(self) -> None:
        """Runs what is not finished; writes and prints the results.

        Raises:
            InputError: some runs failed; the others are in the results.
        """
        for line in self.dropped:
            say(f"{self.plan.file}: {line}.")
        waiting = self._waiting()
        if len(waiting) < len(self.runs):
            say(f"{self._progress()} runs are finished already.")
        processes.finish_all(waiting, self.cores, self._start, self._take)
        if self.finished:
            so_far = self._save()
            chart.write(so_far, self.plan.chart)
            print(tables.show(so_far), flush=True)
        if self.failed:
            logs = listed([f"{run} ({run.log})" for run in self.failed])
            raise InputError(
                f"{len(self.failed)} of {len(self.runs)} runs failed; the same "
                f"command starts them again: {logs}."
            )

    def _find_finished(self, earlier: Results | None) -> None:
        fitting = self.plan.results(earlier).arms
        for run in self.plan.known_runs():
            known = fitting[run.arm.name].runs.get(run.seed)
            if record := known or runs.load_record(run):
                self.finished[run] = record

    def _check_others(self) -> None:
        """Refuses what another call is about."""
        for run in self._waiting():
            if locks.is_taken(run.log):
                raise ValueError(
                    f"{run} is under way in another call ({run.log}). Wait for "
                    "its end, stop it, or choose by --only_arms and --seeds."
                )

    def _waiting(self) -> list[Run]:
        return [run for run in self.runs if run not in self.finished]

    def _start(self, run: Run) -> subprocess.Popen | None:
        """Starts a run, if another call did not do it in the meantime."""
        if record := runs.load_record(run):
            self._keep(run, record)
            return None
        self.attempts[run] = Attempt.of(run, self.plan.settings.jobs)
        process = processes.start(run, self._teacher_of(run))
        if process is None:
            self._fail(run, "it is under way in another call")
        return process

    def _teacher_of(self, run: Run) -> list[str]:
        """The flag by which a run takes over the base arm's first teacher."""
        base = dataclasses.replace(run, arm=self.plan.arms[0])
        if not self.plan.settings.share_teacher or run == base:
            return []
        found = runs.with_teacher(base)
        return [f"--teacher_run_dir={found.absolute()}"] if found else []

    def _take(self, run: Run, code: int) -> None:
        """Records a run that has ended, or that it failed."""
        attempt = self.attempts[run]
        try:
            processes.check(run, code, attempt)
            outcome = outcomes.read(run.directory)
        except InputError as error:
            self._fail(run, str(error))
            return
        record = Record(outcome, attempt.machine)
        runs.save_record(run, record)
        self._keep(run, record)

    def _keep(self, run: Run, record: Record) -> None:
        self.finished[run], outcome = record, record.outcome
        self._save()
        top_1 = " -> ".join(f"{each.top_1:.2f}" for each in outcome.generations)
        say(f"{self._progress()}: {run}, {top_1} %, {outcome.seconds:.0f} s")

    def _fail(self, run: Run, why: str) -> None:
        self.failed.append(run)
        say(f"failed: {run}: {why}")

    def _progress(self) -> str:
        done = sum(run in self.finished for run in self.runs)
        return f"{done} of {len(self.runs)}"

    def _load(self) -> Results | None:
        file = self.plan.file
        return results.load(file) if file.exists() else None

    def _save(self) -> Results:
        """Adds what is finished to the file, which others may have changed."""
        return results.update(self.plan.file, self._add)

    def _add(self, earlier: Results | None) -> Results:
        so_far = self.plan.results(earlier)
        for run, record in self.finished.items():
            so_far = so_far.with_run(run.arm.name, run.seed, record)
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
        self.results = results.load(plans.local_path("results", self.path))

    def run(self) -> None:
        """Prints them."""
        print(tables.show(self.results))


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
    """What the flags ask for.

    Raises:
        ValueError: it cannot be done.
    """
    settings = flags.read(StudySettings)
    if settings.results is not None:
        return Shown(settings.results)
    given = [absl_flags.FLAGS[name] for name in flags.names()]
    arguments = [flag.serialize() for flag in given if flag.present]
    return Study(plans.make(settings, arguments))


def main(argv: list[str]) -> None:
    """Compares what the flags name."""
    run_stage(argv, make_stage)


if __name__ == "__main__":
    flags.show_in_help(StudySettings)
    app.run(main, flags_parser=parse)
