"""How each printed command is run in a short form."""

import dataclasses

_SHORT = (
    "--model_name=tests.networks:tiny --input_image_size=8 "
    "--train_batch_size=8 --train_steps=2 --warmup_epochs=0 "
    "--moving_average_decay=0.5 --iterations_per_loop=2 "
    # RandAugment takes long to compile; tests of its own do that.
    "--save_checkpoints_steps=2 --augment_name=none"
)
_EFFICIENTNET = (
    "--model_name=efficientnet-b0 --width_coefficient=0.1 "
    "--depth_coefficient=0.1"
)
_SHORT_LOOP = (
    f"{_SHORT} --num_iterations=1 --teacher_train_steps=2 --min_threshold=0 "
    "--num_shards=2"
)
_B0 = "--model=efficientnet-b0 --side=32 --batch_size=2 --steps=1"


@dataclasses.dataclass(frozen=True)
class Entry:
    """How to run the commands that begin like this.

    Attributes:
        start: the beginning of the command; the longest that fits counts.
        extra: flags behind the command's own, which override them.
        quick: whether it takes seconds; `make test` runs it then.
        elsewhere: what else runs it; only its flags are checked here.
        no_flags: with `elsewhere`: its flags are not checked either.
        code: the exit code.
    """

    start: str
    extra: str = ""
    quick: bool = False
    elsewhere: str = ""
    no_flags: bool = False
    code: int = 0


_CI = "continuous integration runs it"
_IN_MAKE = "make quickstart and make test do it"
_STAGES = "the README's stages are run at length"
BENCHMARKS = "python -m tools.benchmarks."
_TRAIN = "python main.py --mode=train"
_FILTER = "python tools/filter_unlabel.py"

ENTRIES = [
    Entry("make quickstart", quick=True, elsewhere=_CI, no_flags=True),
    Entry("make test", quick=True, elsewhere=_CI, no_flags=True),
    Entry("make slow-test", quick=True, elsewhere=_CI, no_flags=True),
    Entry("make lint", quick=True, elsewhere="make test", no_flags=True),
    Entry(
        "make constraints",
        quick=True,
        elsewhere="it moves versions, by choice",
        no_flags=True,
    ),
    Entry(
        "python -m pytest -m slow tests/faults",
        quick=True,
        elsewhere="make slow-test",
        no_flags=True,
    ),
    Entry(
        "python -m venv .venv", quick=True, elsewhere=_IN_MAKE, no_flags=True
    ),
    Entry("pip install", quick=True, elsewhere=_IN_MAKE, no_flags=True),
    Entry(
        ".venv/bin/python main.py --flagfile=flags/recipes/digits.cfg",
        quick=True,
        elsewhere="make quickstart",
    ),
    Entry(
        "python main.py --flagfile=flags/recipes/digits.cfg",
        quick=True,
        elsewhere="make quickstart",
    ),
    Entry("python main.py --help", quick=True, code=1),
    Entry(
        "python -m tools.flags_page",
        quick=True,
        elsewhere="tests/tools/test_flags_page.py",
        no_flags=True,
    ),
    # Images of one's own.
    Entry(
        "python main.py --flagfile=flags/recipes/photos.cfg",
        f"{_SHORT_LOOP} --input_image_size=32 --init_weights=none "
        "--student_init=fresh --nofreeze_batch_norm --train_epochs=1 "
        "--student_model_names=tests.networks:tiny "
        "--student_input_image_sizes=32",
    ),
    Entry("python tools/make_records.py --input_dir=photos", "--num_shards=2"),
    Entry(
        "python main.py --label_data_dir=photos --model_name=keras:MobileNetV2",
        f"{_SHORT_LOOP} --input_image_size=32 --train_batch_size=4 "
        "--model_name=keras:MobileNetV2",
    ),
    Entry(
        "python main.py --mode=train --task_name=digits "
        "--model_name=own_networks:small",
        quick=True,
        elsewhere="tests/test_docs.py",
        no_flags=True,
    ),
    Entry(
        "python main.py --label_data_dir=heap",
        f"{_SHORT} --input_image_size=32 --test_fraction=0.5",
    ),
    Entry(
        "python main.py --label_data_dir=records --mode=train",
        f"{_SHORT} --input_image_size=32",
    ),
    Entry(
        "python main.py --label_data_dir=records --unlabel_image_dir=heap",
        f"{_SHORT_LOOP} --input_image_size=32",
    ),
    Entry(
        "python tools/make_records.py --task_name=cifar10",
        "--tfds_data_dir=DATA --splits=test --num_shards=2",
    ),
    Entry(
        "python tools/proc_svhn.py --raw_data_dir=RAW",
        "--num_dev_images=20 --num_shards=2",
    ),
    Entry(
        "python main.py --task_name=svhn --label_data_dir=svhn",
        f"{_SHORT} --mode=train --unlabel_ratio=0 --input_image_size=32 "
        "--model_dir=runs/svhn",
    ),
    Entry("python tools/show_noise.py --output=noise.png", "--random_rows=1"),
    Entry("python tools/show_noise.py --image=cat.jpg", "--random_rows=1"),
    # Checkpoints from elsewhere.
    Entry("python main.py --mode=eval --task_name=svhn --label_data_dir"),
    Entry("python tools/import_checkpoint.py --checkpoint=tests/fixtures"),
    Entry('python -c "import keras; keras.applications'),
    Entry("python tools/import_checkpoint.py --from=keras --checkpoint=b0"),
    Entry(
        "python tools/import_checkpoint.py --from=keras --checkpoint=B0.w",
        quick=True,
        elsewhere="tests/tools/test_import_checkpoint.py",
    ),
    Entry(
        "python tools/import_checkpoint.py --from=timm --checkpoint=B0.saf",
        quick=True,
        elsewhere="tests/tools/test_import_checkpoint.py",
    ),
    Entry(
        "python main.py --label_data_dir=photos --model_name=efficientnet-lite",
        quick=True,
        elsewhere="tests/models/test_named_weights.py",
    ),
    Entry(
        "python tools/import_checkpoint.py --checkpoint=PREFIX",
        quick=True,
        elsewhere="the README's commands",
    ),
    # The stages; their docstring abbreviates them.
    Entry(f"{_TRAIN} --method=supervised --task_name=digits", _SHORT),
    Entry("python main.py --mode=predict --task_name=digits"),
    Entry(f"{_FILTER} --task_name=digits", "--min_threshold=0"),
    Entry(f"{_TRAIN} --task_name=digits --unlabel_data_dir", _SHORT),
    Entry("python main.py --mode=eval --task_name=digits"),
    Entry(
        "python main.py --mode=robustness --task_name=digits",
        "--num_robustness_images=8 --corruption_types=fog --severities=3 "
        "--perturbation_types=rotate --num_frames=3 --epsilons=4 "
        "--pgd_steps=2",
    ),
    # What people use.
    Entry("python main.py --mode=export --model_dir=runs/digits"),
    Entry("python main.py --mode=export --model_dir=runs/photos"),
    Entry("python main.py --mode=predict --model_dir=runs/photos"),
    Entry(
        "python main.py --mode=eval --task_name=digits --model_path",
        "--input_image_size=8",
    ),
    Entry(
        'python -c "import numpy; numpy.save',
        quick=True,
        elsewhere="tests/test_serving_docs.py",
        no_flags=True,
    ),
    Entry(f"for shard in 0 1; do {_FILTER}", "--min_threshold=0"),
    Entry("python main.py --mode=predict --reassign_label"),
    Entry("python tools/audit.py --model_dir=runs/digits"),
    Entry("python tools/report.py --model_dir=runs/digits"),
    Entry(f"{_TRAIN} --task_name=digits --teacher_model_path", _SHORT),
    Entry(
        "python main.py --mode=predict --output_dir=PREDICTIONS",
        quick=True,
        elsewhere=_STAGES,
    ),
    Entry(f"{_FILTER} --prediction_dir=P", quick=True, elsewhere=_STAGES),
    Entry(f"{_TRAIN} --unlabel_data_dir=DIR", quick=True, elsewhere=_STAGES),
    # Recipes and methods.
    Entry(
        "python main.py --flagfile=flags/recipes/cifar10.cfg",
        f"{_SHORT_LOOP} --input_image_size=32",
    ),
    Entry(
        "python main.py --flagfile=flags/recipes/cifar10_finetune.cfg",
        f"{_SHORT} {_EFFICIENTNET} --train_last_step_num=1 "
        "--input_image_size=40",
    ),
    Entry(
        "python main.py --flagfile=flags/recipes/imagenet/l2.cfg",
        quick=True,
        elsewhere="tests/test_recipes_run.py",
    ),
    Entry("python main.py --flagfile=flags/studies/methods_digits/", _SHORT),
    Entry(f"{_TRAIN} --method=mean_teacher", _SHORT),
    Entry(
        f"{_TRAIN} --method=fixmatch:FixMatch",
        quick=True,
        elsewhere="tests/test_docs.py",
    ),
    Entry("for worker in 0 1; do TF_CONFIG=", _SHORT_LOOP),
    Entry(
        "python -m tools.study --study=flags/studies/methods_digits",
        f"{_SHORT} --seeds=0 --only_arms=base,pi_model",
    ),
    # What the command above it leaves.
    Entry("python -m tools.study --results=runs/studies"),
    Entry(
        "python -m tools.study --study=flags/studies/generations_digits",
        f"{_SHORT_LOOP} --noevaluate_robustness --seeds=0 --results_dir=found",
    ),
    Entry(
        "python -m tools.study --results=docs/results",
        quick=True,
        elsewhere="tests/tools/test_evidence.py",
        no_flags=True,
    ),
    # Those of the original program, in docs/original.md.
    *(
        Entry(start, quick=True, elsewhere="tests/test_original_commands.py")
        for start in (
            "python tools/proc_svhn.py --task_name=svhn --raw_data_dir=data",
            "python main.py --model_name=efficientnet-b0 --use_tpu=False",
            "python tools/filter_unlabel.py --input_dir=./data",
        )
    ),
    # Benchmarks.
    Entry(f"{BENCHMARKS}train_step", "--cases=train_32 --rounds=1 --nogrowth"),
    Entry(
        f"{BENCHMARKS}devices",
        "--measures=noise --rounds=1 --device_steps=1 --device_batch=8",
    ),
    Entry(
        f"{BENCHMARKS}lite",
        "--lite_side=32 --lite_batch=2 --lite_steps=1 --rounds=1",
    ),
    Entry(f"{BENCHMARKS}folder_epoch", "--folder_images=32 --rounds=1"),
    Entry(f"{BENCHMARKS}remat", _B0),
    Entry(
        f"{BENCHMARKS}evaluate",
        "--evaluate_case=32 --rounds=1 --memory_turns=1",
    ),
    Entry(f"{BENCHMARKS}pgd", "--attack_case=digits --rounds=1"),
    Entry(
        f"{BENCHMARKS}augment",
        "--sides=32 --peers=pil --rounds=1 --batches=4",
    ),
    Entry(f"{BENCHMARKS}input_pipeline", "--rounds=1 --batches=2"),
    Entry(
        f"{BENCHMARKS}order",
        "--records=3200 --files=200 --rounds=1 --batches=2",
    ),
    Entry(
        f"{BENCHMARKS}filter",
        "--sizes=2000 --classes=10 --jpeg_side=32 --rounds=1",
    ),
    Entry(
        f"{BENCHMARKS}loop", "--costs=loop,memory --rounds=1 --memory_steps=600"
    ),
    Entry(f"{BENCHMARKS}export", "--export_sides=32 --rounds=1"),
    Entry(f"{BENCHMARKS}target_storage", "--images=500", quick=True),
]


def entry_of(text):
    """Returns the entry of a command; None: it has none."""
    fitting = [entry for entry in ENTRIES if text.startswith(entry.start)]
    return max(fitting, key=lambda entry: len(entry.start), default=None)
