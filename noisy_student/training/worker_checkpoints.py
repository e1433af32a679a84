"""Checkpoints of several workers: what they share, and what each has alone."""

import pathlib
from typing import Any

from absl import logging

from noisy_student.errors import InputError
from noisy_student.training import checkpoints, distribution


class WorkerCheckpoints:
    """Checkpoints that all workers write and read together.

    The chief writes what is the same on all of them. What a worker has of its
    own goes to `worker_N/` beside it, and is whole before the chief's is
    there.

    Args:
        directory: where they are; all workers see it.
        keep: how many stay.
        devices: the workers.
        shared: trackable objects by name, the same on all workers.
        own: the same, of this worker alone; empty on all of them or on none.

    Attributes:
        current: step of the one that was last read or written; None before.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        keep: int,
        devices: distribution.Devices,
        shared: dict[str, Any],
        own: dict[str, Any],
    ) -> None:
        self._devices = devices
        self._shared = checkpoints.Checkpoints(directory, keep, **shared)
        self._own = None
        if own:
            part = directory / f"worker_{devices.worker}"
            self._own = checkpoints.Checkpoints(part, keep, **own)
        self.current: int | None = None

    def save(self, step: int) -> None:
        """Writes the checkpoint of a step; every worker calls this alike.

        Raises:
            InputError: the disk has no room, or the like.
        """
        if self._own:
            self._own.write(step)
            self._devices.wait_for_all()
        if self._devices.is_chief:
            self._shared.save(step)
        if self._own:
            self._devices.wait_for_all()
            # Not by its own count: a kill between the two leaves one alone.
            self._own.keep_only(self._shared.steps())
        self.current = step

    def restore_newest(self) -> int | None:
        """Reads the newest that all workers can read.

        Returns:
            Its step; None where there is no checkpoint.

        Raises:
            InputError: there are some, and none can be read by all.
        """
        step = None
        while True:
            found = None
            if self._devices.is_chief:
                found = self._shared.restore_newest(before=step)
            step = self._devices.agree(-1 if found is None else found)
            if step < 0:
                return None
            if self._devices.holds_on_all(self._restore_rest(step)):
                self.current = step
                return step

    def _restore_rest(self, step: int) -> bool:
        """Reads what the chief has not read; whether it could be."""
        if not self._devices.is_chief:
            try:
                self._shared.restore(step)
            except InputError as error:
                raise InputError(
                    f"{error} The chief has it: model_dir must be in a file "
                    "system that all workers share."
                ) from error
        if self._own is None:
            return True
        try:
            self._own.restore(step)
        except InputError as error:
            logging.warning("%s Trying the one before.", error)
            return False
        return True
