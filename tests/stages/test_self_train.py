import dataclasses
import logging

import pytest

from noisy_student.config import SelfTrainingConfig
from noisy_student.stages import self_train
from tests.settings import experiment


@pytest.mark.parametrize(
    ("coefficients", "smaller"),
    [((0.5, 1.0), "1"), ((1.0, 0.9), "2"), ((), "")],
)
def test_a_smaller_student_is_a_warning(
    tmp_path, caplog, coefficients, smaller
):
    students = SelfTrainingConfig(
        num_iterations=2, student_width_coefficients=coefficients
    )
    config = dataclasses.replace(experiment(tmp_path), self_training=students)
    with caplog.at_level(logging.WARNING):
        self_train.check_models(config)
    if smaller:
        assert f"Student {smaller} is smaller than its teach" in caplog.text
    else:
        assert caplog.text == ""


def test_an_unknown_student_is_refused(tmp_path):
    students = SelfTrainingConfig(student_model_names=("b1",))
    config = dataclasses.replace(experiment(tmp_path), self_training=students)
    with pytest.raises(ValueError, match="Unknown model_name 'b1'"):
        self_train.check_models(config)
