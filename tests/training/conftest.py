import pytest

from tests.models import short


@pytest.fixture(scope="module")
def short_network():
    with short.networks():
        yield
