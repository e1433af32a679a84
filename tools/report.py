"""Writes report.html of a run, which one looks at instead of reading logs.

  python tools/report.py --model_dir=runs/digits

The run may be of mode=self_train or mode=train, finished or not. Nothing is
measured: what --mode=eval, --mode=robustness and tools/audit.py left in the run
directory is shown, and else the command that measures it. The page needs no
network and no other file. Self-training writes it at its end.

  python tools/report.py --model_dir=runs/digits --chart=digits.svg

also writes the accuracy by generation as a picture for other texts.
"""

import _script

import flags
from noisy_student.config import ExperimentConfig
from noisy_student.config.tools import ReportSettings


def make_stage():
    """The report that the flags ask for."""
    from noisy_student import stages

    config = flags.experiment_config(as_original=False)
    return stages.Report(config, flags.read(ReportSettings))


if __name__ == "__main__":
    _script.run(make_stage, ReportSettings, ExperimentConfig)
