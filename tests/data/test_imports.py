"""No module of the images' packages needs, directly or not, itself."""

import ast
import graphlib

import pytest

from tests.scripts import ROOT

PACKAGES = ("data", "make_records", "noise")


def modules(package):
    paths = (ROOT / "noisy_student" / package).glob("*.py")
    return {f"noisy_student.{package}.{path.stem}": path for path in paths}


def imports(path, names):
    """Those of `names` that a module imports, in its functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
            found.update(f"{node.module}.{a.name}" for a in node.names)
    return found & set(names)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_have_no_circle(package):
    paths = modules(package)
    assert len(paths) > 3
    graph = {name: imports(path, paths) for name, path in paths.items()}
    assert any(graph.values())
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_the_types_of_sources_import_nothing_that_opens():
    paths = modules("data")
    order = "noisy_student.data.order"  # types and arithmetic
    assert imports(paths["noisy_student.data.sources"], paths) == {order}
    assert not imports(paths[order], paths)
