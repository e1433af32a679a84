"""Whatever the flags say, planning ends well or with a message."""

import random

from absl import flags as absl_flags

import flags
from flags.define import fields_of
from noisy_student import methods
from noisy_student.config import ExperimentConfig
from noisy_student.stages import students
from noisy_student.training import schedules
from tests.flags.test_flags import make_flags

FIELDS = [
    field
    for group in (ExperimentConfig, *flags.GROUPS.values())
    for field in fields_of(group)
]
# Of each two numbers, one is within most bounds.
NUMBERS = ["1", "2", "0.5", "3", "0.01", "10", "1e-5", "7", "100", "0.999"]
STRANGE = ["inf", "-inf", "nan", "1e308", "-1e308", "5e-324", "-1", "0"]
STRANGE += ["9" * 18, "9" * 400, "-0.0", "1e15", "1e-15", "", "ü", "1,inf"]
STRANGE += ["a;b", ";", "\0", "a:b", "os:path", "=", "0x10", "१", "1_0", " 1 "]
NUM_LABELED = [1, 50, 4000, 1_281_167]


def random_argument(draw):
    field = draw.choice(FIELDS)
    if field.value_type is bool and draw.random() < 0.8:
        return draw.choice([f"--{field.name}", f"--no{field.name}"])
    usual = field.rule.choices or NUMBERS
    return f"--{field.name}={draw.choice(draw.choice([usual, STRANGE]))}"


def plan(values, num_labeled):
    """What planning reckons without images or models."""
    config = methods.with_defaults(flags.experiment_config(values))
    students.check(config)
    train = config.train
    sizes = (
        train.unlabeled_batch_size,
        train.schedule_steps(num_labeled),
        train.total_steps(num_labeled),
        *train.ramp_steps(num_labeled),
    )
    assert all(isinstance(size, int) and size >= 0 for size in sizes)
    schedules.learning_rate(train, num_labeled)


def test_random_command_lines_are_planned_or_refused():
    draw, values, planned = random.Random(0), make_flags(), 0
    for _ in range(2500):
        count = draw.randint(1, 8)
        arguments = [random_argument(draw) for _ in range(count)]
        values.unparse_flags()
        try:
            values(["main.py", *arguments])
            plan(values, draw.choice(NUM_LABELED))
            planned += 1
        except (ValueError, OSError, absl_flags.Error) as error:
            assert str(error) not in ("", "math domain error"), arguments
        except Exception as error:
            raise AssertionError(arguments) from error
    assert planned > 250
