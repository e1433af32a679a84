"""A small study, and calls of it that train nothing."""

import pytest

from tests.tools.studied import Started, run_study, write_study


@pytest.fixture
def toy(tmp_path):
    """A study of three arms; b has other flags than a."""
    return write_study(
        tmp_path / "toy",
        b="# Longer.\n--train_steps=50\n",
        a="--train_steps=20\n--method=pi_model\n",
    )


@pytest.fixture
def started(monkeypatch):
    return Started(monkeypatch)


@pytest.fixture
def call(toy, tmp_path):
    """Runs the study, with seed 1 unless something else is said."""

    def run(*arguments):
        at = [f"--study={toy}", f"--runs_dir={tmp_path}/runs", "--seeds=1"]
        run_study(*at, *arguments)

    return run
