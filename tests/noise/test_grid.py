import numpy as np

from noisy_student import noise
from noisy_student.noise import grid


def test_cells_are_the_operations_and_the_draws():
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    layers = [
        noise.RandAugment(2, magnitude, 3.0, 3.0) for magnitude in (5.0, 30.0)
    ]
    picture = np.array(grid.draw(image, layers, random_rows=2, seed=7))

    def cell(row, column):
        return picture[16 + row * 26 :, 96 + column * 26 :][:24, :24]

    for column, magnitude in enumerate((5.0, 30.0)):
        for row, name in enumerate(noise.OP_NAMES):
            expected = noise.apply_op(name, image, magnitude, 1, None, 3.0, 3.0)
            np.testing.assert_array_equal(cell(row, column), expected)
        drawn = layers[column](np.stack([image] * 2), seed=[7, column])
        for row in range(2):
            np.testing.assert_array_equal(cell(16 + row, column), drawn[row])
