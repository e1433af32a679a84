import pytest

from noisy_student.models import scaling


@pytest.fixture(scope="module")
def short_network():
    """An EfficientNet of three blocks, for tests that may train any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "STAGES", scaling.STAGES[:3])
        yield
