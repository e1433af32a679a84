"""The teacher's predictions, and which model is evaluated."""

from absl import flags

from noisy_student import config

_PREDICT_CKPT_PATH = flags.DEFINE_string(
    "predict_ckpt_path",
    None,
    "The model (.keras) that --mode=predict and --mode=eval use; default: "
    "model.keras in --model_dir.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    None,
    "Where --mode=predict puts the probabilities, and a tool what it makes.",
)
_INFO_DIR = flags.DEFINE_string(
    "info_dir",
    None,
    "Where --mode=predict counts the images of finished shards; default: "
    "info in --output_dir.",
)
_SHARD_ID = flags.DEFINE_list(
    "shard_id",
    None,
    "Shards to predict or to filter, e.g. 0,1,2; default: all of --num_shards.",
)
_WORKER_ID = flags.DEFINE_integer(
    "worker_id",
    None,
    "Which of --total_replicas workers --mode=predict is, from 0; default: "
    "all of them, one after the other.",
)
_REASSIGN_LABEL = flags.DEFINE_bool(
    "reassign_label",
    False,
    "With --mode=predict: label the filtered images in --unlabel_data_dir "
    "anew; --output_dir gets records to train on in place of predictions.",
)


def predict_config() -> config.PredictConfig:
    """The group as a dataclass."""
    shards = _SHARD_ID.value or []
    empty = _SHARD_ID.value == []  # an unset variable of a script
    if empty or not all(shard.strip().isdigit() for shard in shards):
        raise ValueError(
            "shard_id must be integers divided by commas; got "
            f"{','.join(shards)!r}."
        )
    return config.PredictConfig(
        predict_ckpt_path=_PREDICT_CKPT_PATH.value,
        output_dir=_OUTPUT_DIR.value,
        info_dir=_INFO_DIR.value,
        shard_id=tuple(map(int, shards)),
        worker_id=_WORKER_ID.value,
        reassign_label=_REASSIGN_LABEL.value,
    )
