"""Work in processes beside this one: in order, and in bounded memory.

The processes are started anew (spawned), because a process that has used
TensorFlow cannot be forked. They import only the modules of the functions that
they run, so these should not import TensorFlow, or start with it.
"""

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from types import TracebackType
from typing import Any, Self, TypeVar

from noisy_student import cores, startup
from noisy_student.errors import InputError

_Result = TypeVar("_Result")
_AHEAD = 3  # calls that are under way or wait, for each process


class Workers:
    """Processes that run functions; a context manager, which ends them.

    They start when the context is entered, which does not wait for them.

    Args:
        number: The number of processes; None is one for each core that this
            process may use.
    """

    def __init__(self, number: int | None = None) -> None:
        self.number = number or cores.available()

    def __enter__(self) -> Self:
        self._pool = concurrent.futures.ProcessPoolExecutor(
            self.number,
            multiprocessing.get_context("spawn"),
            _leave_signals_to_parent,
        )
        # The pool starts a process for each call while none is idle.
        for _ in range(self.number):
            self._pool.submit(os.getpid)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(
        self,
        function: Callable[..., _Result],
        calls: Iterable[tuple[Any, ...]],
    ) -> Iterator[_Result]:
        """Yields a function's results in the order of the calls.

        Few calls are read ahead, so that memory stays bounded.

        Args:
            function: A function of a module, which the processes import.
            calls: The arguments of each call; they are pickled.

        Raises:
            InputError: A process was killed. What the function raises is
                raised as it is.
        """
        waiting: collections.deque[concurrent.futures.Future[_Result]] = (
            collections.deque()
        )
        try:
            for arguments in calls:
                waiting.append(self._pool.submit(function, *arguments))
                if len(waiting) >= _AHEAD * self.number:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise InputError(
                f"One of {self.number} processes that {function.__name__} ran "
                "in was killed; perhaps there was too little memory. Run the "
                "same command again, with fewer --num_parallel_calls."
            ) from error


def _leave_signals_to_parent() -> None:
    """Lets a process end when its parent does, and not by Ctrl-C itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def start_with_tensorflow() -> None:
    """Readies a process whose functions import TensorFlow."""
    end_with_parent()
    startup.import_tensorflow()


def end_with_parent() -> None:
    """Makes this process end when its parent is killed, or it would go on."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
