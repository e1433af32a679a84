"""Which EfficientNet, and its model noise."""

from absl import flags

from noisy_student import config

_MODEL_NAME = flags.DEFINE_string(
    "model_name",
    "efficientnet-b0",
    "efficientnet-b0 to -b7, -l0, -l1 or -l2; in self-training the first "
    "teacher's, and the students' unless --student_model_names is set.",
)
_WIDTH_COEFFICIENT = flags.DEFINE_float(
    "width_coefficient",
    None,
    "Factor on the number of filters; default: the model's.",
)
_DEPTH_COEFFICIENT = flags.DEFINE_float(
    "depth_coefficient",
    None,
    "Factor on the number of blocks; default: the model's.",
)
_DROPOUT_RATE = flags.DEFINE_float(
    "dropout_rate",
    None,
    "Dropout before the classifier, in [0, 1); default: the model's.",
)
_STOCHASTIC_DEPTH_RATE = flags.DEFINE_float(
    "stochastic_depth_rate",
    0.2,
    "Rate of stochastic depth, in [0, 1): block i of n is dropped with "
    "probability rate * i / n.",
)
_SMALL_IMAGE_MODEL = flags.DEFINE_bool(
    "small_image_model",
    None,
    "The variant for 32x32 images, whose second and third stage keep the "
    "resolution; default: the task's.",
)
flags.DEFINE_alias("drop_connect_rate", "stochastic_depth_rate")
_USE_BFLOAT16 = flags.DEFINE_bool(
    "use_bfloat16",
    False,
    "Compute features in bfloat16; weights, batch statistics, logits and "
    "loss stay float32.",
)
_REMAT = flags.DEFINE_bool(
    "remat",
    False,
    "Compute the activations of blocks again for the gradient: less memory "
    "for more time.",
)
_FIX_LAYER_NUM = flags.DEFINE_integer(
    "fix_layer_num",
    config.NOTHING_FROZEN,
    "Freeze the stem and the first so many blocks, their norms in inference "
    "mode, as is sensible of weights that were trained before; -1: nothing.",
)
_NUM_SHARDS_PER_GROUP = flags.DEFINE_integer(
    "num_shards_per_group",
    config.DEFAULT_GROUPS,
    "Replicas that share batch statistics; -2: all; -1: each alone up to 8 "
    "replicas, else groups of max(8, replicas / 8).",
)


def model_config() -> config.ModelConfig:
    """The group as a dataclass; the task's facts are still missing."""
    return config.ModelConfig(
        model_name=_MODEL_NAME.value,
        width_coefficient=_WIDTH_COEFFICIENT.value,
        depth_coefficient=_DEPTH_COEFFICIENT.value,
        dropout_rate=_DROPOUT_RATE.value,
        stochastic_depth_rate=_STOCHASTIC_DEPTH_RATE.value,
        small_image_model=_SMALL_IMAGE_MODEL.value,
        use_bfloat16=_USE_BFLOAT16.value,
        remat=_REMAT.value,
        fix_layer_num=_FIX_LAYER_NUM.value,
        num_shards_per_group=_NUM_SHARDS_PER_GROUP.value,
    )
