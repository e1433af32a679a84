"""The results of a study: one file of JSON, to which runs are added."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from etils import epath

from noisy_student.errors import counted, listed
from noisy_student.files import writing
from tools.studies import arms, locks, written
from tools.studies.arms import Arm
from tools.studies.machine import Machine
from tools.studies.outcomes import Outcome


@dataclasses.dataclass(frozen=True)
class Record:
    """A finished run: what it came to, and where it was made.

    Of a run that was resumed, this is where it was started the last time.
    """

    outcome: Outcome
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """As the file of a single run has it."""
        machine = dataclasses.asdict(self.machine)
        return {**self.outcome.to_json(), "machine": machine}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `to_json` made."""
        machine = written.make(Machine, value["machine"])
        return cls(Outcome.from_json(value), machine)


@dataclasses.dataclass(frozen=True)
class ArmResults:
    """The finished runs of an arm, by seed in ascending order."""

    flags: tuple[str, ...]
    runs: Mapping[int, Record] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Results:
    """What a study has come to so far.

    Attributes:
        study: its name.
        base_name: what tables call its base.
        generations: those that tables show; empty: all.
        arms: by name, all of the study, the base first.
        compared_with: those that tables compare the others with, beside the
            base.
    """

    study: str
    base_name: str
    generations: tuple[int, ...]
    arms: Mapping[str, ArmResults]
    compared_with: tuple[str, ...] = ()

    def outcomes(self) -> dict[str, dict[int, Outcome]]:
        """Those of each arm, by seed; under the base's name for tables."""
        return {
            self._shown(name): {
                seed: record.outcome for seed, record in arm.runs.items()
            }
            for name, arm in self.arms.items()
        }

    def machines(self) -> dict[str, dict[str, list[int]]]:
        """Each, as it describes itself, with arms and seeds made on it."""
        found: dict[str, dict[str, list[int]]] = {}
        for name, arm in self.arms.items():
            for seed, record in arm.runs.items():
                its = found.setdefault(str(record.machine), {})
                its.setdefault(self._shown(name), []).append(seed)
        return found

    def _shown(self, name: str) -> str:
        """What tables call an arm."""
        return self.base_name if name == arms.BASE else name

    def with_arms(self, known: Iterable[Arm]) -> Self:
        """Results of these arms alone, without those of other flags."""
        kept = {
            arm.name: ArmResults(
                arm.flags,
                theirs.runs if theirs.flags == arm.flags else {},
            )
            for arm in known
            for theirs in [self.arms.get(arm.name, ArmResults(()))]
        }
        return dataclasses.replace(self, arms=kept)

    def with_run(self, name: str, seed: int, record: Record) -> Self:
        """Adds a run of an arm, in place of an earlier one of its seed."""
        arm = self.arms[name]
        merged = dict(sorted({**arm.runs, seed: record}.items()))
        added = {name: dataclasses.replace(arm, runs=merged)}
        return dataclasses.replace(self, arms={**self.arms, **added})

    def dropped_by(self, known: Sequence[Arm]) -> dict[str, str]:
        """Says which runs `with_arms` leaves out, a line for each arm's."""
        now = {arm.name: arm.flags for arm in known}
        lines = {}
        for name, arm in self.arms.items():
            if not arm.runs or now.get(name) == arm.flags:
                continue
            why = "which is no arm any more"
            if name in now:
                changes = sorted({*arm.flags} ^ {*now[name]})
                why = f"whose flags have changed ({listed(changes)})"
            lines[name] = (
                f"results of {counted(len(arm.runs), 'run')} of {name} are "
                f"dropped, {why}"
            )
        return lines


def load(path: epath.Path) -> Results:
    """Reads a file of results.

    Raises:
        InputError: it is no such file, damaged, or of another version.
    """
    try:
        value = writing.read_json(path)
        machines = [written.make(Machine, each) for each in value["machines"]]
        return Results(
            str(value["study"]),
            str(value["base_name"]),
            tuple(value["generations"]),
            {
                name: ArmResults(
                    tuple(arm["flags"]),
                    {
                        int(seed): Record(
                            Outcome.from_json(run),
                            machines[run["machine"]],
                        )
                        for seed, run in arm["runs"].items()
                    },
                )
                for name, arm in value["arms"].items()
            },
            # Files that are older than this key come without it.
            tuple(value.get("compared_with", ())),
        )
    except written.ERRORS as error:
        advice = "Remove it or name another."
        raise written.complaint(path, error, advice) from error


def save(path: epath.Path, results: Results) -> None:
    """Writes a file of results; each machine is in it once.

    Raises:
        InputError: it cannot be written, such as to a full disk.
    """
    machines: list[Machine] = []
    by_arm = {}
    for name, arm in results.arms.items():
        rows = {}
        for seed, record in arm.runs.items():
            if record.machine not in machines:
                machines.append(record.machine)
            rows[str(seed)] = {
                **record.outcome.to_json(),
                "machine": machines.index(record.machine),
            }
        by_arm[name] = {
            "digest": arms.digest(arm.flags),
            "flags": arm.flags,
            "runs": rows,
        }
    about = {
        "study": results.study,
        "base_name": results.base_name,
        "generations": results.generations,
        "compared_with": results.compared_with,
        "machines": [dataclasses.asdict(each) for each in machines],
    }
    writing.write_json(path, about | {"arms": by_arm})


def update(
    path: epath.Path, change: Callable[[Results | None], Results]
) -> Results:
    """Changes a file of results, which no other call does meanwhile.

    Args:
        path: of the file.
        change: makes the new results of the earlier ones, None if there are
            none.

    Returns:
        The new ones.

    Raises:
        InputError: the file cannot be read or written.
    """
    with writing.disk_errors(path, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    with locks.waited_for(path.parent):
        now = change(load(path) if path.exists() else None)
        save(path, now)
    return now
