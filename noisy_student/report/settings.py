"""The settings of a run as flags, and commands that repeat some of them."""

import dataclasses
import shlex
from typing import Any

from noisy_student import methods
from noisy_student.config import ExperimentConfig, Settings, TrainConfig
from noisy_student.config.settings import help_texts, rule_of

# Settings of images without effect on those that test; models know their size.
_OF_TRAINING = ("unlabel_data_dir", "input_image_size")


@dataclasses.dataclass(frozen=True)
class Flag:
    """A setting of a run.

    Attributes:
        group: the name of its group of settings; "" for those of none.
        name: of the flag.
        value: as `config.json` has it.
        default: that of the method, where this decides.
        help: what it does.
    """

    group: str
    name: str
    value: Any
    default: Any
    help: str

    @property
    def differs(self) -> bool:
        """Whether it has another value than its default."""
        return self.value != self.default

    @property
    def argument(self) -> str:
        """As it is written on a command line."""
        if isinstance(self.value, bool):
            return f"--{'' if self.value else 'no'}{self.name}"
        return shlex.quote(f"--{self.name}={text(self.value)}")


def flags_of(config: ExperimentConfig) -> list[Flag]:
    """All flags of a run, less the directory that it is in."""
    defaults = _defaults(config)
    found = list(_flags_of("", config, defaults))
    for field in dataclasses.fields(config):
        group = getattr(config, field.name)
        if isinstance(group, Settings):
            default = getattr(defaults, field.name)
            found += _flags_of(field.name, group, default)
    return [flag for flag in found if flag.name != "model_dir"]


def _flags_of(name: str, group: Settings, defaults: Settings) -> list[Flag]:
    """Those of one group.

    Args:
        name: of the group.
        group: the settings.
        defaults: the same with other values.
    """
    helps = help_texts(type(group))  # type: ignore[arg-type]
    return [
        Flag(
            name,
            field.name,
            getattr(group, field.name),
            getattr(defaults, field.name),
            helps.get(field.name, ""),
        )
        for field in dataclasses.fields(group)  # type: ignore[arg-type]
        if rule_of(field) is not None
    ]


def _defaults(config: ExperimentConfig) -> ExperimentConfig:
    """A run in which nothing but the method was chosen."""
    train = TrainConfig(config.train.method)
    plain = ExperimentConfig(mode=config.mode, train=train)
    try:
        return methods.with_defaults(plain)
    except ValueError:  # a method of one's own that is not there now
        return plain


def text(value: Any) -> str:
    """A value as a flag has it."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def commands(config: ExperimentConfig) -> dict[str, str]:
    """What measures a run further: `eval`, `robustness` and `audit`."""
    flags = [
        flag
        for flag in flags_of(config)
        if (flag.group == "data" or flag.name == "seed")
        and flag.name not in _OF_TRAINING
    ]
    named = config.data.label_data_dir is None
    same_images = [
        flag.argument
        for flag in flags
        if flag.differs or (named and flag.name == "task_name")
    ]
    directory = shlex.quote(f"--model_dir={config.model_dir}")
    words = " ".join([*same_images, directory])
    return {
        "eval": f"python main.py --mode=eval {words}",
        "robustness": f"python main.py --mode=robustness {words}",
        "audit": f"python tools/audit.py {directory}",
    }
