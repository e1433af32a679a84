"""One of the faults: kills with -9 at random moments, again and again."""

import itertools
import pathlib
import random

from absl import flags

from tools.benchmarks import traces
from tools.benchmarks.fault_report import Line, Report
from tools.benchmarks.fault_runs import INTERVAL, Life, Process, Run

_KILLS = flags.DEFINE_integer(
    "fault_kills", 20, "How often to kill with -9.", lower_bound=1
)
_SEED = flags.DEFINE_integer("fault_seed", 0, "Chooses the moments.")

# More than most of the killed processes take, so that there is work for all.
_STEPS_PER_KILL = 70
_MORE_STEPS = 200
_MOMENTS = ("saving", "training", "saving", "starting")


def kills(folder: pathlib.Path) -> Report:
    """Kills while saving, training and starting, and at last near the end.

    Args:
        folder: for the run directories.
    """
    count, generator = _KILLS.value, random.Random(_SEED.value)
    num_steps = _MORE_STEPS + _STEPS_PER_KILL * count
    whole = Run(folder / "whole", num_steps)
    start_seconds = whole.train()
    run = Run(folder / "killed", num_steps)
    moments = [*itertools.islice(itertools.cycle(_MOMENTS), count - 1), "end"]
    lives, lines = [], []
    for number, moment in enumerate(moments, 1):
        life = _kill(run, moment, start_seconds, generator)
        ok = life.killed and life.goes_on()
        lines.append(Line(f"kill {number}, {moment}", str(life), ok))
        lives.append(life)
    lives.append(run.finish())
    figures = {
        "kills": sum(life.killed for life in lives),
        "right_steps": run.last_step() == num_steps,
        "fresh_starts": sum(life.is_fresh_start() for life in lives),
        "curve_joins": traces.joins(run.curve(), whole.curve()),
        "same_weights": run.ends_as(whole),
    }
    lines.append(_last_line(lives[-1], run, figures))
    return Report(lines, figures)


def _kill(
    run: Run, moment: str, start_seconds: float, generator: random.Random
) -> Life:
    """Gives the command and kills it; `start_seconds` is to the training."""
    with run.life() as life:
        process = run.start()
        alive = _wait_for(moment, process, run, start_seconds, generator)
        life.killed = alive and not process.has_ended()
        process.kill()
    life.half_saved = traces.is_saving(run.directory, process.started)
    return life


def _wait_for(
    moment: str,
    process: Process,
    run: Run,
    start_seconds: float,
    generator: random.Random,
) -> bool:
    """Waits for a moment; False if the process ends before."""
    if moment == "starting":
        return process.sleep(generator.uniform(0, start_seconds))
    step = run.num_steps
    if moment != "end":
        saved = traces.last_saved(run.directory)
        step = min(step, saved + INTERVAL * generator.randint(1, 5))
    alive = process.wait_until(lambda: traces.last_saved(run.directory) >= step)
    if moment == "saving":
        alive = alive and process.wait_until(
            lambda: traces.is_saving(run.directory, process.started)
        )
        # At once, or when the index is there and old ones are removed.
        return alive and process.sleep(generator.choice([0, 0, 0, 0.005]))
    return alive and process.sleep(generator.uniform(0, 0.4))


def _last_line(life: Life, run: Run, figures: dict) -> Line:
    joins, same = figures["curve_joins"], figures["same_weights"]
    seen = (
        f"{life}, ended at {run.last_step()} of {run.num_steps}; "
        f"{'the same' if joins else 'another'} curve, "
        f"{'the same' if same else 'other'} weights"
    )
    all_right = joins and same and not figures["fresh_starts"]
    return Line("and to the end", seen, all_right and life.goes_on())
