"""Imports run one way, in no circle, and the library knows no flags."""

import ast
import itertools

import pytest

from tests.scripts import ROOT

# What each room is, from the top down: a room imports rooms below it alone.
LAYERS = (
    ("main", "tools"),
    ("flags",),
    ("api",),
    ("stages",),
    ("training", "pseudo_labels", "make_records", "report", "export"),
    ("evaluation",),
    ("methods",),
    ("models", "data"),
    ("noise", "files", "disturbances"),
    ("config", "processes"),
    (
        "cores",
        "memory",
        "plugins",
        "preemption",
        "progress",
        "startup",
        "tasks",
    ),
    ("errors",),
)
RANKS = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


def name_of(path):
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(path): path
    for path in (
        ROOT / "main.py",
        *itertools.chain.from_iterable(
            (ROOT / folder).rglob("*.py")
            for folder in ("noisy_student", "flags", "tools")
        ),
    )
}


def imported_names(path):
    """All of a file's imports, those inside of functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{a.name}" for a in node.names)


def imported_modules(name):
    """The project's modules that one of them imports."""
    for found in imported_names(MODULES[name]):
        # `package.attribute` means the package's own file.
        module = found if found in MODULES else found.rpartition(".")[0]
        if module in MODULES and module != name:
            yield module


def room_of(name):
    parts = name.split(".")
    return parts[1] if parts[0] == "noisy_student" else parts[0]


LIBRARY = [name for name in MODULES if name.startswith("noisy_student.")]


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_reads_no_flags(name):
    for found in imported_names(MODULES[name]):
        assert not found.startswith("absl.flags")
        assert found.split(".")[0] not in ("flags", "tools", "main")


@pytest.mark.parametrize("name", [*LIBRARY, "main"])
def test_rooms_import_only_rooms_below_them(name):
    room = room_of(name)
    for module in imported_modules(name):
        below = room_of(module)
        assert below == room or RANKS[below] > RANKS[room], (name, module)


def circles(graph):
    """The modules of each circle of imports, by Tarjan's algorithm."""
    order, lowest, stack, found = {}, {}, [], []

    def visit(name):
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            place = stack.index(name)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    for name in graph:
        if name not in order:
            visit(name)
    return found


def test_circles_are_found():
    assert circles({"a": ["b"], "b": ["c"], "c": []}) == []
    graph = {"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": []}
    assert circles(graph) == [["b", "c"]]


def test_no_modules_import_one_another_in_a_circle():
    graph = {name: sorted(set(imported_modules(name))) for name in MODULES}
    assert circles(graph) == []
