"""Without the library, a message says how to install it."""

import sys

import pytest

from noisy_student.disturbances import corruptions
from tests.scripts import ROOT


def test_a_missing_library_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(
        ValueError, match=r"pip install -r requirements-robustness\.txt"
    ):
        corruptions.check_installed()
    assert (ROOT / "requirements-robustness.txt").is_file()
