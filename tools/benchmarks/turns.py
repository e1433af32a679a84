"""Comparisons: the sides take turns, each in a process of its own."""

import functools
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from absl import flags

from noisy_student import cores

ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each side.", lower_bound=1)
THREADS = flags.DEFINE_integer(
    "threads",
    cores.available(),
    "Threads (or processes) of each side's input pipeline.",
    lower_bound=1,
)
BATCHES = flags.DEFINE_integer(
    "batches",
    None,
    "Batches of a turn of an input pipeline; default: some seconds.",
    lower_bound=1,
)

_Result = TypeVar("_Result")
# One turn: returns a figure, such as images/s.
Turn = Callable[[], float]


def images_per_second(run: Callable[[], object], num_images: int) -> float:
    """Times one call."""
    begin = time.perf_counter()
    run()
    return num_images / (time.perf_counter() - begin)


def use_threads(number: int) -> None:
    """Gives TensorFlow, in this process, so many threads."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(number)
    tf.config.threading.set_inter_op_parallelism_threads(number)


def prefetched(dataset: Any) -> Any:
    """Prefetches two batches of a `tf.data.Dataset`, without autotuning."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)


def over_batches(
    dataset: Iterable, batches: int, batch_size: int, warm_up: int = 4
) -> Turn:
    """Returns turns that read so many batches of a pipeline, warmed up."""

    def turn() -> float:
        iterator = iter(dataset)

        def take(number: int) -> None:
            for _ in itertools.islice(iterator, number):
                pass

        take(warm_up)
        run = functools.partial(take, batches)
        return images_per_second(run, batches * batch_size)

    turn()
    return turn


def compare(
    sides: Mapping[str, Callable[[], Turn]], rounds: int | None = None
) -> dict[str, float]:
    """Returns the median of each side's turns.

    Args:
        sides: by name, functions that can be pickled: called in the side's
            own process, they prepare and warm up what is measured.
        rounds: turns of each side; default: `ROUNDS`.

    Raises:
        RuntimeError: a side failed.
    """
    context = multiprocessing.get_context("spawn")
    connections, processes = {}, []
    figures: dict[str, list[float]] = {name: [] for name in sides}
    try:
        for name, make in sides.items():
            connections[name], theirs = context.Pipe()
            # No daemon, as a side may start processes of its own.
            process = context.Process(target=_serve, args=(make, theirs))
            process.start()
            processes.append(process)
            theirs.close()
            _receive(name, connections[name])
        for _ in range(rounds or ROUNDS.value):
            for name, connection in connections.items():
                connection.send(None)
                figures[name].append(_receive(name, connection))
    finally:
        # A side ends when its connection does.
        for connection in connections.values():
            connection.close()
        for process in processes:
            process.join()
    return {name: statistics.median(turns) for name, turns in figures.items()}


def seconds(
    runs: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, float]:
    """Lets sides take turns in this process.

    Args:
        runs: A turn of each side, by name. The first one is not counted: it
            traces.
        rounds: Turns that count.

    Returns:
        The median time of each side.
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(1 + rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            if number:
                taken[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in taken.items()}


def _receive(name: str, connection: Connection) -> float:
    try:
        return connection.recv()
    except EOFError as error:
        raise RuntimeError(
            f"The side {name} has failed; its trace is above."
        ) from error


def _serve(make: Callable[[], Turn], connection: Connection) -> None:
    """Takes a turn whenever asked, until the connection is closed."""
    turn = make()
    connection.send(0.0)
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        connection.send(turn())


def in_process(function: Callable[..., _Result], *arguments) -> _Result:
    """Calls a function in a process of its own, one thread of NumPy."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)
