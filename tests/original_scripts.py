"""The commands of the original program's scripts for SVHN, as lists of words.

They lie in `tools/` here, but for main.py, and name the directories that they
mean (some pass another by mistake). Otherwise they are word for word: a test
that wants a smaller run adds flags, whose last value counts.
"""

RAW, PROC = "data/svhn/raw", "data/svhn/proc"
UNLABELED, PREDICT = f"{PROC}/unlabeled", "data/svhn/predict"
FILTERED = f"{PREDICT}/filter_data/data"
TEACHER = "ckpt/teacher_ckpt/model.ckpt"

PREPRO = (
    "tools/proc_svhn.py",
    "--task_name=svhn",
    f"--raw_data_dir={RAW}",
    f"--output_dir={PROC}",
)
MAIN = (
    "main.py",
    "--model_name=efficientnet-b0",
    "--use_tpu=False",
    "--use_bfloat16=False",
    "--task_name=svhn",
)
TRAIN = (
    *MAIN,
    "--mode=train",
    "--train_batch_size=128",
    "--iterations_per_loop=1000",
    "--save_checkpoints_steps=1000",
    "--unlabel_ratio=5",
    "--teacher_softmax_temp=1",
    "--augment_name=v1",
    "--randaug_mag=5",
    "--final_base_lr=0.0002",
    "--weight_decay=1e-4",
    f"--label_data_dir=./{PROC}",
)
# local_scripts/run_svhn.sh, and the notebook.
RUN = (
    *TRAIN,
    "--teacher_model_name=efficientnet-b0",
    f"--teacher_model_path={TEACHER}",
    "--model_dir=./ckpt/exp_1",
    f"--unlabel_data_dir=./{UNLABELED}",
)
# local_scripts/svhn/svhn_offline.sh.
OFFLINE = (
    *TRAIN,
    "--model_dir=./ckpt/exp_2",
    f"--unlabel_data_dir=./{FILTERED}",
)
EVAL = (*MAIN, "--mode=eval", f"--label_data_dir=./{PROC}")
PREDICT_SHARD = (
    *MAIN,
    "--mode=predict",
    f"--predict_ckpt_path={TEACHER}",
    "--worker_id=0",
    "--num_shards=128",
    "--data_type=tfrecord",
    f"--info_dir={PREDICT}/info",
)
PREDICT_EXTRA = (
    *PREDICT_SHARD,
    "--file_prefix=extra",
    f"--label_data_dir=./{UNLABELED}",
    f"--output_dir={PREDICT}/predict_label",
)
REASSIGN = (
    *PREDICT_SHARD,
    "--file_prefix=train",
    f"--label_data_dir={FILTERED}",
    f"--output_dir={PREDICT}/reassign",
    "--reassign_label=True",
)
FILTER = (
    "tools/filter_unlabel.py",
    f"--input_dir=./{UNLABELED}",
    "--file_prefix=extra",
    f"--info_dir={PREDICT}/info",
    f"--prediction_dir={PREDICT}/predict_label",
    f"--prelim_stats_dir={PREDICT}/prelim_stats",
    f"--output_dir={PREDICT}/filter_data",
    "--num_shards=128",
    "--min_threshold=0.3",
    "--num_label_classes=10",
    "--task=0",
    "--num_image=53113",
)
