"""Short networks, for tests that may train any: they are built sooner."""

import contextlib
from collections.abc import Iterator
from unittest import mock

from noisy_student.models import scaling


@contextlib.contextmanager
def networks() -> Iterator[None]:
    """EfficientNets that are built in the context have four stages.

    These have a stride, and blocks with a skip and without.
    """
    with mock.patch.object(scaling, "STAGES", scaling.STAGES[:4]):
        yield
