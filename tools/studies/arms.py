"""The arms of a study: flag files, and the flags that they come to."""

import dataclasses
import hashlib
from collections.abc import Sequence

from absl import flags as absl_flags
from etils import epath

import flags
from noisy_student.errors import listed
from tools.studies.settings import SETTINGS_FILE

BASE = "base"
_MODES = ("train", "self_train")
_SET_BY_STUDY = ("model_dir", "seed")
# Where data are on a machine, not what they are: a run goes on elsewhere.
_PLACES = ("tfds_data_dir",)
_DIGITS = 8  # of a digest; two flag files differ in them but by a miracle


@dataclasses.dataclass(frozen=True)
class Arm:
    """One of the experiments that are compared.

    Attributes:
        name: of its file.
        flags: all that are given, each once with the value that counts, in
            the order of their names.
        places: further flags, which have no effect on the results.
    """

    name: str
    flags: tuple[str, ...]
    places: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Tells its flags from others."""
        return digest(self.flags)


def digest(given: Sequence[str]) -> str:
    """Some hexadecimal digits of the hash of flags."""
    text = "\n".join(given).encode()
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def read(directory: epath.Path, arguments: Sequence[str]) -> list[Arm]:
    """Reads the flag files of a study.

    Args:
        directory: where they are.
        arguments: flags of main.py that come after those of all files.

    Returns:
        The base, and then the other arms in the order of their names.

    Raises:
        ValueError: a file is missing, or has flags that no run could use.
    """
    base = directory / f"{BASE}.cfg"
    if not base.is_file():
        raise ValueError(
            f"study: there is no {base}, the flag file of the base arm."
        )
    others = [
        path
        for path in sorted(directory.glob("*.cfg"))
        if path.name not in (base.name, SETTINGS_FILE)
    ]
    return [_read_arm(base, base, arguments)] + [
        _read_arm(base, path, arguments) for path in others
    ]


def check_names(
    setting: str, names: Sequence[str], arms: Sequence[Arm]
) -> None:
    """Refuses names that are of none of these arms.

    Args:
        setting: that has the names, for the message.
        names: those that are given.
        arms: that may be named.

    Raises:
        ValueError: naming the setting and what is unknown.
    """
    known = [arm.name for arm in arms]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(
            f"{setting} must be among {', '.join(known)}; got "
            f"{', '.join(unknown)}."
        )


def check_self_training(arms: Sequence[Arm]) -> None:
    """Refuses arms that have no first teacher.

    Raises:
        ValueError: naming them.
    """
    others = [
        arm.name
        for arm in arms
        if any(flag.startswith("--mode=train") for flag in arm.flags)
    ]
    if others:
        raise ValueError(
            "share_teacher is for arms of mode=self_train; leave it out, or "
            f"change the mode of {listed(others)}."
        )


def choose(arms: Sequence[Arm], names: Sequence[str]) -> list[Arm]:
    """Returns the arms of these names; of no names, all."""
    return [arm for arm in arms if not names or arm.name in names]


def _read_arm(
    base: epath.Path, path: epath.Path, arguments: Sequence[str]
) -> Arm:
    values = absl_flags.FlagValues()
    flags.define_experiment(values)
    files = [f"--flagfile={each}" for each in dict.fromkeys([base, path])]
    try:
        rest = values([str(path), *files, *arguments])[1:]
        config = flags.experiment_config(values)
    except (absl_flags.Error, ValueError) as error:
        where = " with ".join([str(path), *arguments])
        raise ValueError(f"{where}: {error}") from error
    if rest:
        raise ValueError(f"{path} has what is no flag: {listed(rest)}.")
    present = [name for name in flags.names() if values[name].present]
    for name in _SET_BY_STUDY:
        if name in present:
            raise ValueError(
                f"{path}: {name} is set for each run; choose by seeds and "
                "runs_dir."
            )
    if config.mode not in _MODES:
        raise ValueError(
            f"{path}: mode must be {' or '.join(_MODES)}; got {config.mode!r}."
        )
    if config.run.dry_run:
        raise ValueError(f"{path}: dry_run is for main.py alone; leave it out.")
    texts = {name: values[name].serialize() for name in sorted(present)}
    return Arm(
        path.stem,
        tuple(text for name, text in texts.items() if name not in _PLACES),
        tuple(text for name, text in texts.items() if name in _PLACES),
    )
