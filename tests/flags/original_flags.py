"""The flags of the original program, and what they are here."""

from typing import Any, NamedTuple

# Whether a flag has the same meaning and default here, has the same meaning as
# another flag, is accepted and does nothing, or has another meaning or default.
SAME, ALIAS, ACCEPTED, DIFFERENT = "same", "alias", "accepted", "different"


class Flag(NamedTuple):
    """A flag of a script of the original.

    Attributes:
        name: Of the flag, there and here.
        default: There, as one types it; "" is nothing.
        kind: One of the words above.
        here: The value here if the flag is not given, with the original's
            data, once task and method have decided; of flags that do nothing,
            None.
        values: What one may type, with the value that the setting then has.
    """

    name: str
    default: str
    kind: str
    here: Any
    values: dict[str, Any]


MAIN = [
    Flag(
        "task_name",
        "imagenet",
        SAME,
        "imagenet2012",
        {"svhn": "svhn_cropped", "imagenet": "imagenet2012"},
    ),
    Flag("label_data_dir", "", SAME, None, {"/labelled": "/labelled"}),
    Flag("model_dir", "", SAME, None, {"": None, "/run": "/run"}),
    Flag("init_model", "False", DIFFERENT, None, {"False": False}),
    Flag("init_model_path", "", SAME, None, {"": None, "/run": "/run"}),
    Flag(
        "model_name",
        "efficientnet-b0",
        SAME,
        "efficientnet-b0",
        {"efficientnet-l2": "efficientnet-l2"},
    ),
    Flag(
        "mode",
        "train_and_eval",
        DIFFERENT,
        "self_train",
        {
            "train": "train",
            "eval": "eval",
            "predict": "predict",
            "train_and_eval": "train",
        },
    ),
    Flag("train_steps", "109474", SAME, 109_474, {"1000": 1000}),
    Flag("train_ratio", "1.0", SAME, 1.0, {"2": 2.0}),
    Flag("input_image_size", "", SAME, None, {"600": 600}),
    Flag("train_batch_size", "4096", SAME, 4096, {"128": 128}),
    Flag("eval_batch_size", "8", DIFFERENT, 256, {"8": 8}),
    Flag("use_tpu", "True", DIFFERENT, None, {"True": True, "False": False}),
    Flag("tpu", "", SAME, None, {"": "", "my-tpu": "my-tpu"}),
    Flag("gcp_project", "", SAME, None, {"mine": "mine"}),
    Flag("tpu_zone", "", SAME, None, {"us-central1-b": "us-central1-b"}),
    Flag("master", "", ACCEPTED, None, {"grpc://10.0.0.2:8470": None}),
    Flag("num_train_images", "", SAME, None, {"1281167": 1_281_167}),
    Flag("num_eval_images", "", SAME, None, {"4000": 4000}),
    Flag("num_test_images", "", SAME, None, {"26032": 26_032}),
    Flag("steps_per_eval", "3000", DIFFERENT, 0, {"3000": 3000}),
    Flag("skip_host_call", "False", ACCEPTED, None, {"True": None, "0": None}),
    Flag("iterations_per_loop", "1000", DIFFERENT, 100, {"1000": 1000}),
    Flag(
        "data_format",
        "channels_last",
        ACCEPTED,
        None,
        {"channels_first": None, "channels_last": None},
    ),
    Flag("num_label_classes", "1000", SAME, None, {"10": 10}),
    Flag(
        "transpose_input", "True", ACCEPTED, None, {"True": None, "False": None}
    ),
    Flag("use_bfloat16", "True", SAME, True, {"False": False}),
    Flag("base_learning_rate", "0.016", SAME, 0.016, {"0.128": 0.128}),
    Flag("moving_average_decay", "0.9999", SAME, 0.9999, {"0": 0.0}),
    Flag("weight_decay", "1e-5", SAME, 1e-5, {"1e-4": 1e-4}),
    Flag("label_smoothing", "0.1", SAME, 0.1, {"0": 0.0}),
    Flag("dropout_rate", "", SAME, None, {"0.5": 0.5}),
    Flag("stochastic_depth_rate", "", SAME, 0.2, {"0": 0.0}),
    Flag("log_step_count_steps", "64", DIFFERENT, None, {"64": 64}),
    Flag("use_cache", "True", ALIAS, True, {"True": True, "False": False}),
    Flag("depth_coefficient", "", SAME, None, {"3.1": 3.1}),
    Flag("width_coefficient", "", SAME, None, {"2": 2.0}),
    Flag("debug", "0", SAME, False, {"0": False, "1": True}),
    Flag("unlabel_data_dir", "", SAME, None, {"": None, "/kept": "/kept"}),
    Flag("unlabel_ratio", "0", SAME, 0.0, {"5": 5.0}),
    Flag("teacher_softmax_temp", "-1", SAME, -1.0, {"-1": -1.0, "1": 1.0}),
    Flag("train_last_step_num", "-1", SAME, None, {"-1": None, "469": 469}),
    Flag(
        "teacher_model_name",
        "",
        SAME,
        None,
        {"": None, "efficientnet-b0": "efficientnet-b0"},
    ),
    Flag(
        "teacher_model_path",
        "",
        SAME,
        None,
        {"": None, "/teacher/model.ckpt": "/teacher/model.ckpt"},
    ),
    Flag("augment_name", "", SAME, "none", {"": "none", "v1": "v1"}),
    Flag("remove_aug", "False", SAME, False, {"True": True}),
    Flag("save_checkpoints_steps", "1000", SAME, 1000, {"100": 100}),
    Flag("fix_layer_num", "-1", SAME, -1, {"-1": -1, "4": 4}),
    Flag("randaug_mag", "27", SAME, 27.0, {"5": 5.0}),
    Flag("randaug_layer", "2", SAME, 2, {"3": 3}),
    Flag("num_shards_per_group", "-1", SAME, -1, {"-1": -1, "-2": -2, "8": 8}),
    Flag("label_data_sample_prob", "1", SAME, 1.0, {"0.25": 0.25}),
    Flag("num_tpu_cores", "", ACCEPTED, None, {"2048": None}),
    Flag(
        "unl_aug",
        "default",
        SAME,
        None,
        {"default": None, "": "none", "v1": "v1"},
    ),
    Flag("cutout_op", "True", SAME, True, {"False": False}),
    Flag(
        "small_image_model",
        "False",
        DIFFERENT,
        None,
        {"True": True, "False": False},
    ),
    Flag("final_base_lr", "", SAME, None, {"0.0002": 0.0002}),
    Flag("num_train_shards", "", SAME, None, {"64": 64}),
    Flag("keep_checkpoint_max", "5", SAME, 5, {"0": None, "2": 2}),
    Flag(
        "predict_ckpt_path",
        "",
        SAME,
        None,
        {"": None, "/model.ckpt": "/model.ckpt"},
    ),
    Flag("output_dir", "", SAME, None, {"": None, "/predict": "/predict"}),
    Flag("info_dir", "", SAME, None, {"": None, "/info": "/info"}),
    Flag("num_shards", "128", SAME, 128, {"8": 8}),
    Flag("shard_id", "0", DIFFERENT, (), {"0": (0,), "3,5": (3, 5)}),
    Flag("total_replicas", "1", SAME, 1, {"2": 2}),
    Flag("worker_id", "0", DIFFERENT, None, {"0": 0}),
    Flag("reassign_label", "False", SAME, False, {"True": True}),
    Flag("data_type", "tfrecord", SAME, None, {"tfrecord": "tfrecord"}),
    Flag("file_prefix", "train", DIFFERENT, None, {"extra": "extra"}),
]

FILTER = [
    Flag("input_dir", "", SAME, None, {"/unlabeled": "/unlabeled"}),
    Flag("prediction_dir", "", SAME, None, {"": None, "/labels": "/labels"}),
    Flag("info_dir", "", SAME, None, {"": None, "/info": "/info"}),
    Flag("prelim_stats_dir", "", SAME, None, {"": None, "/stats": "/stats"}),
    Flag("output_dir", "", SAME, None, {"": None, "/kept": "/kept"}),
    Flag("num_shards", "128", SAME, 128, {"8": 8}),
    Flag("only_use_num_shards", "-1", SAME, None, {"-1": None, "64": 64}),
    Flag("shard_id", "0", DIFFERENT, (), {"7": (7,)}),
    Flag("num_image", "1300", SAME, 1300, {"130000": 130_000}),
    Flag("total_replicas", "1", SAME, 1, {"2": 2}),
    Flag("total_label_replicas", "-1", SAME, None, {"-1": None, "2": 2}),
    Flag("task", "-1", DIFFERENT, None, {"-1": None, "0": 0}),
    Flag("min_threshold", "0.0", SAME, 0.0, {"0.3": 0.3}),
    Flag("max_prob", "2", SAME, 2.0, {"0.9": 0.9}),
    Flag("num_label_classes", "1000", SAME, None, {"10": 10}),
    Flag("upsample", "1", SAME, True, {"0": False, "1": True}),
    Flag("use_top", "1", SAME, True, {"0": False, "1": True}),
    Flag("only_get_stats", "0", SAME, False, {"0": False, "1": True}),
    Flag("use_all", "False", SAME, False, {"True": True}),
    Flag("eval_imagenet_p", "False", ACCEPTED, None, {"True": None}),
]

PROC_SVHN = [
    Flag("task_name", "svhn", SAME, "svhn", {"svhn": "svhn"}),
    Flag("raw_data_dir", "", SAME, None, {"/raw": "/raw"}),
    Flag("output_dir", "", SAME, None, {"/svhn": "/svhn"}),
    Flag("full_train_data", "False", SAME, False, {"True": True}),
]

SCRIPTS = {
    "main.py": MAIN,
    "tools/filter_unlabel.py": FILTER,
    "tools/proc_svhn.py": PROC_SVHN,
}
