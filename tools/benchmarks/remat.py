"""What rematerialisation saves in memory and costs in time.

One training step of a model with and without --remat, each in a process of
its own:

  python -m tools.benchmarks.remat --model=efficientnet-b7 --side=224

Memory is the peak of the process during its steps less what it held before
the first one (weights, averages, optimizer), tracing included.
"""

import dataclasses
import json
import resource
import statistics
import time

from absl import app, flags

from tools.benchmarks import turns

_MODEL_NAME = flags.DEFINE_string("model", "efficientnet-b7", "Model.")
_SIDE = flags.DEFINE_integer("side", 224, "Side of the images, in pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Images per step.")
_STEPS = flags.DEFINE_integer("steps", 5, "Steps to time, after the first.")


def resident_gib() -> float:
    """Returns the memory of this process now."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * resource.getpagesize() / 2**30


def peak_gib() -> float:
    """Returns the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(
    model_name: str, side: int, batch_size: int, steps: int, remat: bool
) -> dict[str, float]:
    """Runs steps; returns GiB `before` and `at_peak`, and median `seconds`."""
    from tools.benchmarks import growth

    config = dataclasses.replace(
        growth.model_config(model_name, side), remat=remat
    )
    run = growth.train_run(config, batch_size, steps=1)
    before = resident_gib()
    run()
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return {
        "before": before,
        "at_peak": peak_gib(),
        "seconds": statistics.median(seconds),
    }


def main(_: list[str]) -> None:
    """Prints the table and what is saved and paid."""
    arguments = (_MODEL_NAME.value, _SIDE.value, _BATCH_SIZE.value)
    results = {}
    print(f"{'remat':>6}{'before GiB':>12}{'step GiB':>10}{'s/step':>8}")
    for remat in (False, True):
        result = turns.in_process(measure, *arguments, _STEPS.value, remat)
        step = result["at_peak"] - result["before"]
        results[remat] = (step, result["seconds"])
        print(
            f"{remat!s:>6}{result['before']:>12.2f}{step:>10.2f}"
            f"{result['seconds']:>8.2f}",
            flush=True,
        )
    (plain, fast), (remat_step, slow) = results[False], results[True]
    ratios = {
        "memory_saved": round(1 - remat_step / plain, 3),
        "time": round(slow / fast, 3),
    }
    print(json.dumps(ratios))


if __name__ == "__main__":
    app.run(main)
