"""Checkpoints of several workers: shared state, and that of each worker."""

import pathlib
from typing import Any

from absl import logging

from noisy_student.errors import InputError
from noisy_student.training import checkpoints, distribution


class WorkerCheckpoints:
    """Checkpoints that all workers write and read together.

    The chief writes the state that is the same on all workers. The state that
    each worker has by itself goes to `worker_N/` in the same directory, and
    is complete before the chief writes. All methods are called by every
    worker alike, and an error of one worker ends all of them.

    Args:
        directory: a directory that all workers see.
        keep: number of checkpoints to keep.
        devices: the workers.
        shared: trackable objects by name, the same on all workers.
        worker_state: the same, of this worker alone; empty on all workers or
            on none.

    Attributes:
        current: step of the checkpoint last read or written; None at first.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        keep: int,
        devices: distribution.Devices,
        shared: dict[str, Any],
        worker_state: dict[str, Any],
    ) -> None:
        self._devices = devices
        self._shared = checkpoints.Checkpoints(directory, keep, **shared)
        self._worker = None
        if worker_state:
            self._worker = checkpoints.Checkpoints(
                directory / f"worker_{devices.worker}", keep, **worker_state
            )
        self.current: int | None = None

    def save(self, step: int) -> None:
        """Writes the checkpoint of a step.

        Raises:
            InputError: the disk is full, or the like.
        """
        if self._worker:
            with self._devices.failing_together():
                self._worker.write(step)
        with self._devices.failing_together():
            if self._devices.is_chief:
                self._shared.save(step)
        if self._worker:
            # Counting is not enough: a kill in between leaves one unpaired.
            self._worker.keep_only(self._shared.steps())
        self.current = step

    def restore_newest(self) -> int | None:
        """Reads the newest checkpoint that all workers can read.

        Returns:
            Its step; None if there is no checkpoint.

        Raises:
            InputError: there are checkpoints, and none can be read by all.
        """
        step = None
        while True:
            with self._devices.failing_together():
                found = None
                if self._devices.is_chief:
                    found = self._shared.restore_newest(before=step)
            step = self._devices.agree(-1 if found is None else found)
            if step < 0:
                return None
            with self._devices.failing_together():
                readable = self._restore_rest(step)
            if self._devices.holds_on_all(readable):
                self.current = step
                return step

    def _restore_rest(self, step: int) -> bool:
        """Reads what the chief has not read; returns whether it could."""
        if not self._devices.is_chief:
            try:
                self._shared.restore(step)
            except InputError as error:
                raise InputError(
                    f"{error} The chief has it: model_dir must be in a file "
                    "system that all workers share."
                ) from error
        if self._worker is None:
            return True
        try:
            self._worker.restore(step)
        except InputError as error:
            logging.warning("%s Trying the one before.", error)
            return False
        return True
