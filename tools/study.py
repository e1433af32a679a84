r"""Compares experiments over seeds.

An arm of a study is a flag file of main.py. Each arm runs once per seed; a
run that is finished is not repeated, and one that was stopped is resumed:

  python -m tools.study --arms='flags/recipes/compare/digits_*.cfg' \
    --baseline=digits_supervised --seeds=0,1,2,3,4 --runs_dir=runs/compare
  python -m tools.study --arms=flags/recipes/digits.cfg

Flags of main.py apply to every run, such as --tfds_data_dir=DATA. What a run
says is in RUNS_DIR/ARM/seed_N.log. The results are a table, a last line of
JSON, RUNS_DIR/study.json, and a chart, RUNS_DIR/study.png.
"""

import dataclasses
import functools
import glob
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import app
from absl import flags as absl_flags
from etils import epath

import flags
from flags.entry import run_stage
from noisy_student.config.paths import is_remote, to_path
from noisy_student.config.settings import Settings, setting
from noisy_student.files import writing
from tools.studies import chart, figures, runs
from tools.studies.figures import Outcome
from tools.studies.runs import Run

RESULTS_FILE, CHART_FILE = "study.json", "study.png"
_SET_BY_STUDY = ("model_dir", "seed")


@dataclasses.dataclass(frozen=True)
class StudySettings(Settings):
    """What to compare, and where."""

    arms: tuple[str, ...] = setting(("flags/recipes/compare/digits_*.cfg",))
    """Flag files of the arms, patterns of them in quotes, or directories."""

    baseline: str | None = setting(None)
    """The arm that the others are compared with, by the name of its file
    without .cfg; default: the first."""

    seeds: tuple[int, ...] = setting((0, 1, 2), at_least=0, at_most=2**31 - 1)
    """Seeds of each arm; a seed also chooses the labelled images."""

    jobs: int = setting(1, at_least=1)
    """Runs at once, each on its share of the cores. Two processes of one core
    get more done than one of two where models are tiny."""

    runs_dir: str = setting("runs/study")
    """Where the run directories are."""

    def __post_init__(self) -> None:
        """Checks the seeds beside each setting's own rule."""
        super().__post_init__()
        if not self.seeds or len({*self.seeds}) < len(self.seeds):
            given = ",".join(map(str, self.seeds))
            raise ValueError(
                f"seeds must be different numbers, as 0,1,2; got {given!r}."
            )


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
        """Checks the flag files and the paths.

        Raises:
            ValueError: one of them cannot be used.
        """
        settings = self.settings
        arms = find_arms(settings)
        self.cores = runs.share_cores(settings.jobs)
        if is_remote(settings.runs_dir):
            raise ValueError(
                f"runs_dir must be on this machine; got {settings.runs_dir}."
            )
        self.directory = to_path(settings.runs_dir)
        self.runs = [
            Run(arm, seed, recipe, self.directory / arm / f"seed_{seed}")
            for seed in settings.seeds
            for arm, recipe in arms.items()
        ]
        files = [self.directory / name for name in (RESULTS_FILE, CHART_FILE)]
        for path in [*files, *(run.log for run in self.runs)]:
            check_writable(path)

    def run(self) -> None:
        """Runs what is not finished; prints and writes the results."""
        start_run = functools.partial(runs.start, arguments=self.arguments)
        outcomes = run_all(self.runs, self.cores, start_run)
        about = {"flags": self.arguments, "seeds": self.settings.seeds}
        jobs = {"jobs": self.settings.jobs}
        conclude(self.directory, about | jobs, outcomes)


def find_arms(settings: StudySettings) -> dict[str, epath.Path]:
    """Returns the flag file of each arm, the baseline first.

    Raises:
        ValueError: there is none, two have one name, or the baseline is not
            among them.
    """
    found: list[epath.Path] = []
    for pattern in settings.arms:
        if os.path.isdir(pattern):
            pattern = os.path.join(glob.escape(pattern), "*.cfg")
        paths = [to_path(path) for path in sorted(glob.glob(pattern))]
        if not paths:
            raise ValueError(f"arms: there is no flag file {pattern}.")
        found += paths
    arms = {path.stem: path for path in found}
    if len(arms) < len(found):
        raise ValueError(
            "arms must be different by the names of their files; got "
            f"{', '.join(map(str, found)) or 'none'}."
        )
    baseline = settings.baseline or next(iter(arms), None)
    if baseline not in arms:
        raise ValueError(
            f"baseline must be one of {', '.join(arms) or 'some arms'}; got "
            f"{baseline!r}."
        )
    return {baseline: arms[baseline]} | arms


def main_arguments() -> list[str]:
    """Returns the given flags of main.py, which apply to every run.

    Raises:
        ValueError: a study sets one of them itself.
    """
    given = [absl_flags.FLAGS[name] for name in flags.names()]
    arguments = [flag for flag in given if flag.present]
    for flag in arguments:
        if flag.name in _SET_BY_STUDY:
            raise ValueError(
                f"{flag.name} is set for each run; choose by seeds and "
                "runs_dir."
            )
    return [flag.serialize() for flag in arguments]


def check_writable(path: epath.Path) -> None:
    """Refuses, before anything runs, what could not be written at the end.

    Raises:
        ValueError: naming the path.
    """
    if path.is_dir():
        raise ValueError(f"{path} is to be written, and is a directory.")
    there = next(parent for parent in path.parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(
            f"runs_dir: {path} cannot be written, for {there} is no directory "
            "that can be written to."
        )


def run_all(
    all_runs: Sequence[Run],
    cores: Sequence[runs.Cores],
    start_run: Callable[[Run], Any],
) -> dict[str, list[Outcome]]:
    """Runs all, with one line of progress for each.

    Returns:
        The outcomes of each arm, the baseline's first, in the order of
        `all_runs`.
    """
    outcomes: dict[Run, Outcome] = {}

    def finished(run: Run) -> None:
        outcome = outcomes[run] = runs.read(run.directory)
        top_1 = " -> ".join(f"{value:.2f}" for value in outcome.generations)
        print(
            f"{len(outcomes):>3} of {len(all_runs)}: {run}, {top_1} %, "
            f"{outcome.seconds:.0f} s",
            file=sys.stderr,
        )

    runs.finish_all(all_runs, cores, start_run, finished)
    by_arm: dict[str, list[Outcome]] = {run.arm: [] for run in all_runs}
    for run in all_runs:
        by_arm[run.arm].append(outcomes[run])
    return by_arm


def conclude(
    directory: epath.Path,
    about: dict[str, Any],
    outcomes: Mapping[str, Sequence[Outcome]],
) -> None:
    """Prints the table, writes results and chart, and prints the JSON.

    Args:
        directory: where `RESULTS_FILE` and `CHART_FILE` go.
        about: what the results file tells of the study.
        outcomes: the runs of each arm; the first is the baseline.
    """
    baseline = next(iter(outcomes))
    summary = figures.summarize(outcomes, baseline)
    num_seeds = len(outcomes[baseline])
    print(figures.format_table(summary, num_seeds), flush=True)
    beaten = {"all_beat_baseline": figures.all_beat(summary, baseline)}
    arms = figures.entries(summary, 6)
    for arm, results in outcomes.items():
        arms[arm]["top_1"] = [
            [round(value, 6) for value in run.generations] for run in results
        ]
        arms[arm]["run_seconds"] = [round(run.seconds, 1) for run in results]
    about |= {"baseline": baseline, "arms": arms}
    writing.write_json(directory / RESULTS_FILE, about | beaten)
    picture = chart.draw(outcomes, summary, baseline)
    chart.save(picture, directory / CHART_FILE)
    print(json.dumps(figures.entries(summary, 3) | beaten))


def main(argv: list[str]) -> None:
    """Compares what the flags name."""
    run_stage(argv, lambda: Study(flags.read(StudySettings), main_arguments()))


if __name__ == "__main__":
    flags.show_in_help(StudySettings)
    app.run(main)
