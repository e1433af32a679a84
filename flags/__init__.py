"""The flags of an experiment, made from the fields of its settings.

Importing this package defines them. A script adds flags of its own from
another class of settings:

  flags.define(FilterSettings)
  flags.show_in_help(FilterSettings, DataConfig)
  ...
  settings = flags.read(FilterSettings)
  config = flags.experiment_config()

The library never sees flags.
"""

import dataclasses

from absl import flags as absl_flags

from flags import original
from flags.define import define, fields_of, read
from flags.help import help_of, short_help_of
from noisy_student.config import GROUPS, ExperimentConfig, Settings

__all__ = [
    "GROUPS",
    "define",
    "define_experiment",
    "experiment_config",
    "fields_of",
    "names",
    "read",
    "show_in_help",
]

_ALL: tuple[type[Settings], ...] = (ExperimentConfig, *GROUPS.values())


def define_experiment(
    values: absl_flags.FlagValues = absl_flags.FLAGS,
) -> None:
    """Defines all flags of an experiment, as main.py has them.

    Args:
        values: gets the flags.
    """
    for group in _ALL:
        define(group, values)
    original.define_ignored(values)


define_experiment()


def names() -> list[str]:
    """The names of an experiment's flags, which main.py takes, in order."""
    return [setting.name for group in _ALL for setting in fields_of(group)]


def experiment_config(
    values: absl_flags.FlagValues = absl_flags.FLAGS,
    as_original: bool | None = None,
) -> ExperimentConfig:
    """All groups as one object.

    Args:
        values: the parsed flags.
        as_original: whether flags that are not given have the original
            program's defaults; None where `original.task_of` says so.

    Raises:
        ValueError: a flag's value that no run could use.
    """
    task = None
    if as_original is None:
        names = (values[n].value for n in ("task_name", "label_data_dir"))
        # Empty means not given, as in the settings.
        task = original.task_of(*(name or None for name in names))
        as_original = task is not None
    groups = {
        name: read(group, values, as_original) for name, group in GROUPS.items()
    }
    config = read(ExperimentConfig, values, as_original, **groups)
    if task is None:
        return config
    data = dataclasses.replace(config.data, task_name=task)
    return dataclasses.replace(config, data=data)


def show_in_help(*groups: type[Settings]) -> None:
    """Chooses what a script's help lists, in the order of the fields.

    `--help` has a line for each flag, `--helpfull` all that is to be said.

    Args:
        *groups: classes whose flags are defined; none is an experiment's.
    """
    values = absl_flags.FLAGS
    listed = groups or _ALL

    def with_entry(text: str) -> str:
        return f"{text}\n{values.module_help('flags.entry')}"

    # absl's own would sort all flags by name under one heading. Flags are
    # the attributes of FLAGS, so that a plain assignment would set a flag.
    vars(values)["main_module_help"] = lambda: short_help_of(listed)
    vars(values)["get_help"] = lambda: with_entry(help_of(listed, values))
