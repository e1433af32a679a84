"""What each of two workers does in `test_failing.py`: runs that fail.

The first has weights that are not finite, at its first checkpoint; in the
second, the chief alone cannot write. Prints one line for each.
"""

import pathlib
import sys

import numpy as np

from noisy_student.config import RunConfig
from noisy_student.errors import InputError
from noisy_student.training import checkpoints, distribution, state
from tests.models import short


def fail(directory, devices):
    # It uses TensorFlow, which the devices must come before.
    from tests.training import runs

    with short.networks():
        try:
            runs.run(directory, {"devices": devices}, steps_per_eval=0)
        except (FloatingPointError, InputError) as error:
            print(f"error: {error}", flush=True)


def main(folder):
    devices = distribution.make_devices(RunConfig("multi_worker"))
    save, write = state.TrainingState.save, checkpoints.Checkpoints.write

    def poisoned(self):
        weight = self.student.weights[0]
        weight.assign(np.nan * np.ones(weight.shape))
        save(self)

    def full(self, step):
        raise InputError(f"The disk is full at step {step}.")

    state.TrainingState.save = poisoned
    fail(folder / "weights", devices)
    state.TrainingState.save = save
    if devices.is_chief:
        checkpoints.Checkpoints.write = full
    fail(folder / "disk", devices)
    checkpoints.Checkpoints.write = write


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
