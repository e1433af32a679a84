"""What to compare, and where: the flags of `tools/study.py`."""

import dataclasses

from absl import flags as absl_flags
from etils import epath

import flags
from noisy_student.config.settings import Settings, setting

SETTINGS_FILE = "study.cfg"
# The flags that this file may have: what belongs to the study, not to a call.
_OF_STUDIES = (
    "seeds",
    "base_name",
    "compared_with",
    "generations",
    "share_teacher",
)


@dataclasses.dataclass(frozen=True)
class StudySettings(Settings):
    """What to compare, and where."""

    study: str | None = setting(None, none=("",))
    """Directory of the study's flag files. base.cfg is an arm; every other
    file but study.cfg is one, too, whose flags come after those of base.cfg.
    study.cfg may set --seeds, --base_name, --compared_with, --generations and
    --share_teacher."""

    runs_dir: str = setting("runs/studies")
    """The runs of the study NAME are in RUNS_DIR/NAME."""

    seeds: tuple[int, ...] = setting((0, 1, 2), at_least=0, at_most=2**31 - 1)
    """Seeds of each arm; a seed also chooses the labelled images."""

    jobs: int = setting(1, at_least=1)
    """Runs at once, each on its share of the cores. Two one-core processes
    finish more runs than one two-core process where models are tiny."""

    only_arms: tuple[str, ...] = setting(())
    """Run these arms alone, by the names of their files without .cfg. The
    results have the others, too, as far as they are finished. Default: all."""

    base_name: str = setting("base")
    """What tables call the arm of base.cfg."""

    compared_with: tuple[str, ...] = setting(())
    """Arms that tables compare the others with, beside the base, by the names
    of their files without .cfg."""

    generations: tuple[int, ...] = setting((), at_least=0)
    """Generations of which tables have rows; 0 is the first teacher. Default:
    all."""

    share_teacher: bool = setting(False)
    """All arms have the same first teacher. A run takes over that of the base
    arm's run of its seed by --teacher_run_dir, if it is trained by then."""

    results_dir: str | None = setting(None, none=("",))
    """Directory for NAME.json, to which every finished run is added, and for
    NAME.svg, the chart. Default: RUNS_DIR/NAME."""

    results: str | None = setting(None, none=("",))
    """Show this file of results, and run nothing; goes alone."""

    def __post_init__(self) -> None:
        """Checks what is more than each setting's own rule."""
        super().__post_init__()
        if not self.runs_dir:
            raise ValueError("runs_dir must name a directory; got ''.")
        if not self.seeds or len({*self.seeds}) < len(self.seeds):
            given = ",".join(map(str, self.seeds))
            raise ValueError(
                f"seeds must be different numbers, as 0,1,2; got {given!r}."
            )
        if not self.base_name.strip():
            raise ValueError(
                f"base_name must have letters; got {self.base_name!r}."
            )


def check_file(path: epath.Path) -> None:
    """Checks a study's settings.

    Raises:
        ValueError: naming the file, and the flag that is not for it.
    """
    values = absl_flags.FlagValues()
    flags.define(StudySettings, values)
    try:
        others = values([str(path), f"--flagfile={path}"])[1:]
        flags.read(StudySettings, values)
    except (absl_flags.Error, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    others += [
        name
        for name in values
        if values[name].present and name not in _OF_STUDIES
    ]
    if others:
        raise ValueError(
            f"{path} may set {', '.join(_OF_STUDIES)} and nothing else; got "
            f"{', '.join(others)}."
        )
