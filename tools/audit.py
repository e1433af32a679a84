"""Audits the pseudo labels that a student of a self-training run learned from.

  python tools/audit.py --model_dir=runs/digits

leaves in runs/digits/audit/generation_02, or the like:

* per_class.csv: for each class, images predicted, kept and written, how many
  of the pseudo labels are right (where true labels are known), and how many of
  the kept ones the student agrees with;
* confidence.csv: the same by the teacher's probability;
* disputed.csv, disputed/: the kept images that are most at odds with the
  student, by its probability of the pseudo label (cleanlab's self_confidence);
* calibration.csv, .png: the teacher's, on validation images if there are any;
* audit.json: the numbers of all classes together.

--generation names another student than the newest. The settings are those of
the run, so that --model_dir is enough; --unlabel_truth may name true labels
that the run did not have.
"""

import _script

import flags
from noisy_student.config import ExperimentConfig, RunConfig
from noisy_student.config.tools import AuditSettings


def make_stage():
    """The audit that the flags ask for."""
    from noisy_student import stages

    config = flags.experiment_config(as_original=False)
    return stages.Audit(config, flags.read(AuditSettings))


if __name__ == "__main__":
    _script.run(make_stage, AuditSettings, ExperimentConfig, RunConfig)
