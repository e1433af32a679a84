"""Comparisons: the sides take turns, each in a process of its own."""

import functools
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from absl import flags

ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each side.", lower_bound=1)
THREADS = flags.DEFINE_integer(
    "threads",
    os.cpu_count() or 1,
    "Threads (or processes) of each side's input pipeline.",
    lower_bound=1,
)

# One turn: returns a figure, such as images/s.
Turn = Callable[[], float]


def images_per_second(run: Callable[[], object], num_images: int) -> float:
    """Times one call."""
    begin = time.perf_counter()
    run()
    return num_images / (time.perf_counter() - begin)


def over_batches(
    dataset: Iterable, batches: int, batch_size: int, warm_up: int = 4
) -> Turn:
    """Turns that read so many batches of a pipeline, warmed up."""

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
    sides: Mapping[str, Callable[[], Turn]], rounds: int
) -> dict[str, float]:
    """The median of each side's turns.

    Args:
        sides: by name, functions that can be pickled: called in the side's
            own process, they prepare and warm up what is measured.
        rounds: turns of each side.
    """
    context = multiprocessing.get_context("spawn")
    workers = {}
    for name, make in sides.items():
        connection, theirs = context.Pipe()
        # Ends with this process, also where that fails.
        process = context.Process(
            target=_serve, args=(make, theirs), name=name, daemon=True
        )
        process.start()
        theirs.close()
        _receive(process, connection)
        workers[name] = (process, connection)
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, (process, connection) in workers.items():
            connection.send(True)
            figures[name].append(_receive(process, connection))
    for process, connection in workers.values():
        connection.send(False)
        process.join()
    return {name: statistics.median(turns) for name, turns in figures.items()}


def _receive(process: BaseProcess, connection: Connection) -> float:
    try:
        return connection.recv()
    except EOFError as error:
        raise RuntimeError(
            f"The side {process.name} has failed; its trace is above."
        ) from error


def _serve(make: Callable[[], Turn], connection: Connection) -> None:
    """Takes a turn whenever asked."""
    turn = make()
    connection.send(0.0)
    while connection.recv():
        connection.send(turn())
