"""The versions of this program and of the libraries that results depend on."""

import importlib.metadata
import pathlib
import platform
import tomllib

_PROJECT = "noisy-student"
_PACKAGES = ("tensorflow", "keras", "numpy", "imagecorruptions-imaug")


def versions() -> dict[str, str]:
    """Returns those of this process by name, where they are installed."""
    found = {"Noisy Student": _own(), "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _own() -> str:
    """That of the installed package, or of the checkout."""
    try:
        return importlib.metadata.version(_PROJECT)
    except importlib.metadata.PackageNotFoundError:
        path = pathlib.Path(__file__).resolve().parents[2] / "pyproject.toml"
        return tomllib.loads(path.read_text())["project"]["version"]
