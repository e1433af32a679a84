"""Where one worker fails, none reports a lost worker."""

import pytest

from tests import workers


@pytest.mark.slow
def test_all_workers_end_with_an_error(tmp_path):
    codes, outputs, errors = workers.run(
        "-m", "tests.training.failing", tmp_path
    )
    assert codes == [0, 0], errors
    (chief, chiefs_disk), (other, others_disk) = (
        [line for line in text.split("\n") if line] for text in outputs
    )
    assert "are not finite at step 10, which is not saved" in chief
    assert other == chief
    assert chiefs_disk == "error: The disk is full at step 10."
    assert "Worker 1 of 2 ends because another one has failed" in others_disk
