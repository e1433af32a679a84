"""Checkpoints in a directory: written whole, the newest readable one read.

`Checkpoints` are those of one process, `WorkerCheckpoints` those that all
workers of a run write and read together.
"""

import contextlib
import re
from collections.abc import Collection
from typing import Any

import tensorflow as tf
from absl import logging
from etils import epath

from noisy_student.errors import InputError, disk_error
from noisy_student.files import remote
from noisy_student.training import distribution

_NAME = "ckpt"
_DAMAGE = (tf.errors.OpError, RuntimeError, ValueError, IndexError)


class Checkpoints:
    """The checkpoints in a directory.

    TensorFlow writes the index of a checkpoint last, so that one with an
    index is whole unless it was damaged later.

    Args:
        directory: the directory.
        keep: number of checkpoints to keep; None keeps all.
        partial: whether they hold more than `state`, which is only read.
        **state: what they hold: trackable objects by name.
    """

    def __init__(
        self,
        directory: epath.Path,
        keep: int | None,
        partial: bool = False,
        **state: Any,
    ) -> None:
        self._directory = directory
        self._partial = partial
        self._checkpoint = tf.train.Checkpoint(**state)
        self._keep = keep

    def steps(self) -> list[int]:
        """Returns the steps of the checkpoints that are there, in order."""
        found = remote.glob(self._directory, f"{_NAME}-*.index")
        names = (re.fullmatch(rf"{_NAME}-(\d+)", path.stem) for path in found)
        return sorted(int(name[1]) for name in names if name)

    def save(self, step: int) -> None:
        """Writes the checkpoint of a step and then removes others.

        These are the oldest beyond the number to keep, and all of later
        steps: a run that resumed from an earlier step reaches these again.

        Raises:
            InputError: see `write`.
        """
        self.write(step)
        earlier = [other for other in self.steps() if other <= step]
        self.keep_only(earlier[-(self._keep or len(earlier)) :])

    def write(self, step: int) -> None:
        """Writes the checkpoint of a step.

        Raises:
            InputError: the disk is full, or the like; earlier checkpoints
                are intact.
        """
        prefix = self._prefix(step)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._checkpoint.write(str(prefix))
        except (OSError, tf.errors.OpError) as error:
            self._remove(step)
            raise disk_error(prefix, error) from error

    def keep_only(self, steps: Collection[int]) -> None:
        """Removes the checkpoints of all other steps."""
        for other in self.steps():
            if other not in steps:
                self._remove(other)

    def restore(self, step: int) -> None:
        """Reads the checkpoint of a step.

        Raises:
            InputError: it is missing, damaged, or of another model.
        """
        try:
            status = self._checkpoint.read(str(self._prefix(step)))
            if self._partial:
                status.expect_partial()
            else:
                status.assert_consumed()
            status.assert_existing_objects_matched()
        except (*_DAMAGE, AssertionError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(
                f"The checkpoint {self._prefix(step)} cannot be read: {reason}"
            ) from error

    def restore_newest(self, before: int | None = None) -> int | None:
        """Reads the newest readable checkpoint; warns of damaged ones.

        Args:
            before: only checkpoints of earlier steps count; None for all.

        Returns:
            Its step; None if there is no checkpoint.

        Raises:
            InputError: there are checkpoints, and none can be read.
        """
        for step in reversed(self.steps()):
            if before is not None and step >= before:
                continue
            try:
                self.restore(step)
                return step
            except InputError as error:
                logging.warning("%s Trying the one before.", error)
        if self.steps():
            raise InputError(
                f"No checkpoint in {self._directory} can be read; remove the "
                "directory to begin anew."
            )
        return None

    def _prefix(self, step: int) -> epath.Path:
        return self._directory / f"{_NAME}-{step}"

    def _remove(self, step: int) -> None:
        """Removes a checkpoint, or what there is of it; the index first."""
        prefix = self._prefix(step)
        errors = remote.errors(prefix)
        data = remote.glob(self._directory, f"{prefix.name}.data-*")
        for path in [prefix.with_name(f"{prefix.name}.index"), *data]:
            with contextlib.suppress(*errors):
                path.unlink(missing_ok=True)
        with contextlib.suppress(*errors):  # TensorFlow's unfinished files
            remote.remove_tree(prefix.with_name(f"{prefix.name}_temp"))


class WorkerCheckpoints:
    """Checkpoints that all workers write and read together.

    The chief writes the state that is the same on all workers. The state that
    each worker has by itself goes to `worker_N/` in the same directory, and
    is complete before the chief writes. All methods are called by every
    worker alike, and an error of one worker ends all of them.

    Args:
        directory: a directory that all workers see.
        keep: number of checkpoints to keep; None keeps all.
        devices: the workers.
        shared: trackable objects by name, the same on all workers.
        worker_state: the same, of this worker alone; empty on all workers or
            on none.

    Attributes:
        current: step of the checkpoint last read or written; None at first.
    """

    def __init__(
        self,
        directory: epath.Path,
        keep: int | None,
        devices: distribution.Devices,
        shared: dict[str, Any],
        worker_state: dict[str, Any],
    ) -> None:
        self._devices = devices
        self._shared = Checkpoints(directory, keep, **shared)
        self._worker = None
        if worker_state:
            self._worker = Checkpoints(
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
