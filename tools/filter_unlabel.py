"""Filters and balances the images that a teacher labelled.

Between two steps of main.py:

  python main.py --mode=predict --output_dir=PREDICTIONS ...
  python tools/filter_unlabel.py --prediction_dir=PREDICTIONS --output_dir=DIR
  python main.py --mode=train --unlabel_data_dir=DIR --unlabel_ratio=7 ...

The flags that choose the images (task_name, directories, splits, num_labeled,
seed, num_shards and total_replicas) must be those of the prediction. Leaves
DIR/data/train-*, DIR/samples/ and DIR/stats.json.

Records that stand alone are named by --input_dir and --file_prefix, as main.py
knew them by --label_data_dir and --file_prefix; no other flags choose the
images then, and the files are those of the original program:
DIR/data/train-TASK-SSSSS-of-NNNNN, DIR/threshold.json and DIR/stats/.

On several machines, each with --shard_id of its own: first all of them with
--only_get_stats, which counts, then all of them without, which writes. Or let
Apache Beam spread the work: --runner=FlinkRunner --beam_args=...
"""

import _script

import flags
from noisy_student.config import (
    DataConfig,
    ExperimentConfig,
    PredictConfig,
    PseudoLabelConfig,
    RunConfig,
)
from noisy_student.config.tools import FilterSettings


def make_stage():
    """The filtering that the flags ask for."""
    from noisy_student import stages

    settings = flags.read(FilterSettings)
    # Such records are laid out as the original's, so that its 128 shards hold.
    as_original = True if settings.input_dir else None
    config = flags.experiment_config(as_original=as_original)
    return stages.Filter(config, settings)


if __name__ == "__main__":
    _script.run(
        make_stage,
        FilterSettings,
        ExperimentConfig,
        DataConfig,
        PredictConfig,
        PseudoLabelConfig,
        RunConfig,
    )
