import keras
import numpy as np

from noisy_student.training import optimizers


def test_rmsprop_follows_the_original(fixtures):
    trace = np.load(fixtures / "schedule/rmsprop_trace.npz")
    optimizer = optimizers.rmsprop(0.1)
    variable = keras.Variable(trace["var"][0])
    optimizer.build([variable])
    for step, gradient in enumerate(trace["grads"]):
        optimizer.learning_rate = float(trace["lr"][step])
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        after = step + 1
        np.testing.assert_allclose(variable, trace["var"][after], rtol=1e-5)
        np.testing.assert_allclose(
            optimizer._velocities[0], trace["rms"][after], rtol=1e-5
        )
        np.testing.assert_allclose(
            optimizer._momentums[0], trace["momentum"][after], rtol=1e-4
        )
    assert len(trace["grads"]) == 10
