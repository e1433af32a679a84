"""Does a killed run end as an uninterrupted one would?

Kills self-training with -9 at random moments, gives the same command again
each time, and compares what it ends with to what the recipe asks for:

  python -m tools.benchmarks.kills --kills=3 --within_seconds=150

Flags after `--` go to main.py.
"""

import json
import pathlib
import random
import tempfile
import time

from absl import app, flags

from noisy_student import report
from noisy_student.files import run_directory, writing
from tools.benchmarks import recipe

_KILLS = flags.DEFINE_integer("kills", 3, "How often to kill.")
_WITHIN_SECONDS = flags.DEFINE_float(
    "within_seconds", 150, "Each kill comes at a random moment within these."
)
_WHOLE_DIR = flags.DEFINE_string(
    "whole_dir",
    None,
    "An uninterrupted run of the same command to compare with; default: one "
    "is run.",
)
_SEED = flags.DEFINE_integer("kill_seed", 0, "Chooses the moments.")


def progress_of(directory: pathlib.Path) -> str:
    """What is on disk: the last stage and checkpoint."""
    checkpoints = sorted(
        directory.glob("generation_*/checkpoints/*.index"),
        key=lambda path: path.stat().st_mtime,
    )
    if not checkpoints:
        return "no checkpoint"
    last = checkpoints[-1]
    return f"{last.parent.parent.name} {last.stem}"


def kill_at(seconds: float, directory: pathlib.Path, arguments: list[str]):
    """Runs the command and kills it; returns a line for the table."""
    process = recipe.start(directory, *arguments)
    time.sleep(seconds)
    if process.poll() is None:
        process.kill()
        outcome = "killed"
    else:
        outcome = "had ended"
    process.wait()
    return {
        "after": round(seconds, 1),
        "outcome": outcome,
        "on_disk": progress_of(directory),
    }


def final_state(directory: pathlib.Path) -> dict:
    """Generations and the step counts of their last evaluations."""
    results = writing.read_json(directory / report.RESULTS_FILE)
    steps = []
    for row in results["generations"]:
        folder = directory / f"generation_{row['generation']:02d}"
        steps.append(run_directory.read_metrics(folder)[-1]["step"])
    return {
        "generations": [row["generation"] for row in results["generations"]],
        "steps": steps,
        "top_1": [row["top_1_accuracy"] for row in results["generations"]],
    }


def main(argv: list[str]) -> None:
    """Kills, finishes, compares with an uninterrupted run; prints JSON."""
    arguments = argv[1:]
    generator = random.Random(_SEED.value)
    with tempfile.TemporaryDirectory() as folder:
        killed = pathlib.Path(folder) / "killed"
        whole = pathlib.Path(_WHOLE_DIR.value or f"{folder}/whole")
        kills = [
            kill_at(
                generator.uniform(0, _WITHIN_SECONDS.value), killed, arguments
            )
            for _ in range(_KILLS.value)
        ]
        states = []
        for directory in (killed, whole):
            recipe.finish(recipe.start(directory, *arguments))
            states.append(final_state(directory))
    for kill in kills:
        print(f"{kill['outcome']} after {kill['after']} s: {kill['on_disk']}")
    for name, state in zip(("killed", "whole"), states, strict=True):
        print(f"{name:8}{state}")
    keys = ("generations", "steps")
    equal = all(states[0][key] == states[1][key] for key in keys)
    print(
        json.dumps(
            {
                "same_generations_and_steps": equal,
                "same_accuracies": states[0]["top_1"] == states[1]["top_1"],
                "kills": sum(kill["outcome"] == "killed" for kill in kills),
            }
        )
    )


if __name__ == "__main__":
    app.run(main)
