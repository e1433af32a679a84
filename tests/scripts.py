"""Runs scripts as users do, each in a process of its own."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

# A teacher and a student, as small as they go.
TINY = [
    "--mode=self_train",
    "--task_name=digits",
    "--input_image_size=8",
    "--num_iterations=1",
    "--width_coefficient=0.1",
    "--depth_coefficient=0.1",
    "--train_batch_size=10",
    "--unlabel_ratio=2",
    "--train_steps=6",
    "--warmup_epochs=0",
    "--teacher_softmax_temp=1",
    "--moving_average_decay=0.5",
    "--num_image=20",
    "--num_shards=2",
    "--save_checkpoints_steps=3",
    "--iterations_per_loop=2",
]


def run(*arguments, script="main.py", timeout=240, **environment):
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment},
    )
