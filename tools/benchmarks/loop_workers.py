"""Training in worker processes of one core each.

`loop.py` starts this as a script, once per worker.
"""

import os
import subprocess
import sys

from tools.benchmarks import local_cluster

# The gradients' message is the same for any batch: a small one pays more for
# it (64 images a worker: 0.79 of twice one worker, where 128 have 0.85).
_SIDE, _BATCH = 32, 128
_STEPS = 6
_TURNS = 4


def images_per_second(num_workers: int) -> float:
    """Returns the speed of so many workers together.

    Raises:
        RuntimeError: a worker failed.
    """
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(index)],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index, environment in enumerate(
            local_cluster.environments(num_workers)
        )
    ]
    ends = [worker.communicate() for worker in workers]
    if any(worker.returncode for worker in workers):
        raise RuntimeError(f"A worker has failed: {ends}")
    return float(ends[0][0])


def main(core: int) -> None:
    """Trains as a worker, on a core; the chief prints images/s."""
    os.sched_setaffinity(0, {core})
    # Imported only now, as TensorFlow takes as many threads as it has cores.
    import statistics

    from noisy_student.config import RunConfig
    from noisy_student.training import distribution
    from tools.benchmarks import growth, turns

    devices = distribution.make_devices(RunConfig())
    config = growth.model_config("efficientnet-b0", _SIDE, small=True)
    with devices.strategy.scope():
        run = growth.train_run(config, _BATCH, _STEPS)
    run()
    count = _STEPS * _BATCH * devices.num_workers
    speeds = [turns.images_per_second(run, count) for _ in range(_TURNS)]
    if devices.is_chief:
        print(statistics.median(speeds))
    devices.wait_for_all()


if __name__ == "__main__":
    main(int(sys.argv[1]))
