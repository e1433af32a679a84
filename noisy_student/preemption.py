"""SIGTERM: the machine is about to be taken away.

Most work may stop at once, since every stage can be restarted. Training first
saves a checkpoint, and holds the stop until then.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

EXIT_CODE = 75  # EX_TEMPFAIL: the same command goes on
_GRACE_SECONDS = 5.0


class Preempted(SystemExit):
    """Ends the process with `EXIT_CODE`; `message` says why."""

    def __init__(self, message: str = "Stopped by SIGTERM") -> None:
        super().__init__(EXIT_CODE)
        self.message = f"{message}; the same command goes on."


class _State:
    """Signal state; one per process."""

    def __init__(self) -> None:
        self.requested = False
        self.ended = threading.Event()
        self.ended.set()  # until something is watched
        self.callbacks: list[Callable[[], None]] = []  # of what is held


_state = _State()


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Raises `Preempted` in the main thread when SIGTERM comes.

    Python's handler runs only once the main thread has returned from
    TensorFlow, while the callbacks of `held` run at once in another thread. If
    nothing is held and the main thread does not return within some seconds
    (it may wait for other workers for hours), the process ends all the same.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    _state.ended.clear()
    thread = threading.Thread(target=_listen, args=(reader,), daemon=True)
    thread.start()
    handler = signal.signal(signal.SIGTERM, _handle)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        _state.ended.set()
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, handler)
        os.close(writer)  # ends the thread
        thread.join()
        os.close(reader)
        _state.requested = False


def watch_again() -> None:
    """Takes the signal back from TensorFlow's cluster, which has taken it.

    Does nothing outside of `watched`.
    """
    if not _state.ended.is_set():
        signal.signal(signal.SIGTERM, _handle)


@contextlib.contextmanager
def held(callback: Callable[[], None]) -> Iterator[None]:
    """Delays the stop until the block has ended; it asks `is_requested`.

    Args:
        callback: Called from another thread as soon as the signal comes.
    """
    _state.callbacks.append(callback)
    try:
        if _state.requested:
            callback()
        yield
    finally:
        _state.callbacks.remove(callback)
    if _state.requested and not _state.callbacks:
        raise Preempted


def is_requested() -> bool:
    """Whether SIGTERM has come."""
    return _state.requested


def _handle(*_) -> None:
    _state.requested = True
    if not _state.callbacks:
        raise Preempted


def _listen(reader: int) -> None:
    """Waits for the signal's number, which Python's C code writes here."""
    while numbers := os.read(reader, 16):
        if signal.SIGTERM in numbers:
            _state.requested = True
            for callback in list(_state.callbacks):
                callback()
            if not _state.callbacks and not _state.ended.wait(_GRACE_SECONDS):
                print(Preempted().message, file=sys.stderr, flush=True)
                os._exit(EXIT_CODE)
