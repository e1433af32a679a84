"""Filters and balances the images that a teacher labelled.

Between two steps of main.py:

  python main.py --mode=predict --output_dir=PREDICTIONS ...
  python tools/filter_unlabel.py --prediction_dir=PREDICTIONS --output_dir=DIR
  python main.py --mode=train --unlabel_data_dir=DIR --unlabel_ratio=7 ...

The flags that choose the images (task_name, directories, splits, num_labeled,
seed, num_shards and total_replicas) must be those of the prediction. Leaves
DIR/data/train-*, DIR/samples/ and DIR/stats.json.

On several machines, each with --shard_id of its own: first all of them with
--only_get_stats, which counts, then all of them without, which writes. Or let
Apache Beam spread the work: --runner=FlinkRunner --beam_args=...
"""

import _checkout  # noqa: F401
from absl import app
from absl import flags as absl_flags

import flags
from flags import data, predict, pseudo_labels, run
from flags.entry import run_planned

_PREDICTION_DIR = absl_flags.DEFINE_string(
    "prediction_dir", None, "The output_dir of --mode=predict."
)
_PRELIM_STATS_DIR = absl_flags.DEFINE_string(
    "prelim_stats_dir",
    None,
    "Where the counts of each shard go; default: counts in --output_dir.",
)
_ONLY_GET_STATS = absl_flags.DEFINE_bool(
    "only_get_stats",
    False,
    "Count the shards, and do not write them; prints the thresholds when all "
    "are counted.",
)
_TASK = absl_flags.DEFINE_integer(
    "task",
    None,
    "Which of the --total_replicas parts of each shard to do, from 0; "
    "default: all of them.",
)
_RUNNER = absl_flags.DEFINE_string(
    "runner",
    None,
    "Do it as an Apache Beam pipeline on this runner (DirectRunner, "
    "FlinkRunner, SparkRunner, DataflowRunner); needs requirements-beam.txt.",
)
_BEAM_ARGS = absl_flags.DEFINE_list(
    "beam_args",
    [],
    "Options of Beam for --runner, e.g. --flink_master=HOST:8081,"
    "--parallelism=64.",
)


def main(argv: list[str]) -> None:
    """Plans the filtering, then does it."""

    def plan():
        from noisy_student import labeling

        settings = labeling.FilterSettings(
            prediction_dir=_PREDICTION_DIR.value,
            prelim_stats_dir=_PRELIM_STATS_DIR.value,
            task=_TASK.value,
            only_get_stats=_ONLY_GET_STATS.value,
            runner=_RUNNER.value,
            beam_args=tuple(_BEAM_ARGS.value),
        )
        return labeling.plan_filter(flags.experiment_config(), settings)

    run_planned(argv, plan)


if __name__ == "__main__":
    flags.show_in_help(data, predict, pseudo_labels, run)
    app.run(main)
