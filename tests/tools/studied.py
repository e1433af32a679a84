"""Studies for tests: their flag files, and runs that train nothing."""

import json

from absl.testing import flagsaver

from tools import study
from tools.studies import processes
from tools.studies.machine import Machine
from tools.studies.outcomes import Generation, Outcome
from tools.studies.results import Record

MACHINE = Machine("0123456789", False, {"Python": "3.11.7"}, "A", 2, 4.5, 1)


def outcome(*top_1, seconds=1.0, labels=None, chosen=None, **scores):
    """An outcome with these top-1 in %, and the same scores throughout."""
    return Outcome(
        tuple(
            Generation(
                {"top_1_accuracy": value / 100} | scores, seconds, labels
            )
            for value in top_1
        ),
        chosen,
    )


def by_seed(values):
    """An outcome of one generation for each top-1 in %, by seed from 0 on."""
    return {seed: outcome(value) for seed, value in enumerate(values)}


def record(*top_1, machine=MACHINE, **options):
    return Record(outcome(*top_1, **options), machine)


def write_study(folder, settings="", **arms):
    """Writes flag files: those named, and base.cfg, which trains."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.cfg").write_text("# Why?\n--mode=train\n--train_steps=7\n")
    for name, text in arms.items():
        (folder / f"{name}.cfg").write_text(text)
    if settings:
        (folder / "study.cfg").write_text(settings)
    return folder


def leave_training(directory, top_1, seconds):
    """Leaves what `mode=train` leaves, as far as a study reads it."""
    directory.mkdir(parents=True)
    lines = [(5, 0.01, 1.0), (10, top_1, seconds)]
    (directory / "metrics.jsonl").write_text(
        "".join(
            json.dumps({"step": a, "top_1_accuracy": b, "seconds": c}) + "\n"
            for a, b, c in lines
        )
    )


def leave_teacher(directory):
    """Leaves what a study looks for of a first teacher."""
    teacher = directory / "generation_00" / "model.keras"
    teacher.parent.mkdir(parents=True)
    teacher.touch()


def read_results(path):
    """Top-1 in %, by arm and seed."""
    return {
        arm: {
            seed: [100 * row["scores"]["top_1_accuracy"] for row in rows]
            for seed, run in found["runs"].items()
            for rows in [run["generations"]]
        }
        for arm, found in json.loads(path.read_text())["arms"].items()
    }


def run_study(*arguments):
    """Does what the command does, in this process."""
    with flagsaver.flagsaver():
        study.parse(["study", *map(str, arguments)])
        stage = study.make_stage()
        stage.validate()
        stage.run()


class Ended:
    """A process that has ended well."""

    def poll(self):
        return 0


class Started:
    """In the place of `processes.start`: keeps what it was told.

    It leaves results; a run's top-1 in % is its steps of training and its seed.
    """

    def __init__(self, monkeypatch):
        self.runs = []
        self.own_flags = []  # of each of them
        monkeypatch.setattr(processes, "start", self)
        monkeypatch.setattr(processes, "_POLL_SECONDS", 0)

    def __call__(self, run, own_flags):
        self.runs.append(run)
        self.own_flags.append(own_flags)
        flags = dict(flag.split("=") for flag in run.arm.flags if "=" in flag)
        top_1 = (int(flags["--train_steps"]) + run.seed) / 100
        leave_training(run.directory, top_1, seconds=10)
        if "--mode=self_train" in run.arm.flags:
            leave_teacher(run.directory)
        return Ended()

    def take(self):
        """What was started since the last time, as (arm, seed)."""
        taken = [(run.arm.name, run.seed) for run in self.runs]
        self.runs.clear()
        return taken
