"""Imports run one way, and the library knows no flags."""

import ast

import pytest

from tests.scripts import ROOT

LIBRARY = sorted((ROOT / "noisy_student").rglob("*.py"))

# What a package may import of the library, from the bottom up.
BASE = {"config", "errors", "files", "preemption", "progress", "tasks"}
ALLOWED = {
    "data": BASE | {"data", "noise"},
    "noise": {"noise"},
    "models": {"config", "errors", "files", "models", "tasks"},
    "methods": {"config", "memory", "methods", "models"},
    "evaluation": BASE | {"evaluation"},
    "pseudo_labels": BASE | {"pseudo_labels", "data"},
    "training": BASE | {"training", "methods", "models", "evaluation"},
}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{a.name}" for a in node.names)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_library_reads_no_flags(path):
    for name in imports_of(path):
        assert not name.startswith("absl.flags")
        assert name.split(".")[0] not in ("flags", "tools", "main")


@pytest.mark.parametrize("package", list(ALLOWED))
def test_packages_import_only_what_is_below_them(package):
    paths = list((ROOT / "noisy_student" / package).rglob("*.py"))
    assert paths
    for path in paths:
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "noisy_student":
                assert parts[1] in ALLOWED[package], (path.name, name)
