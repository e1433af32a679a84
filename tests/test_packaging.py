"""What is installed: the wheel, and the versions of the environment."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement

from tests.scripts import ROOT


def requirements(path):
    """The lines of a list of requirements that name a package."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and line[0] not in "#-"]


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built in a copy, because setuptools leaves files beside the sources."""
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"
    source.mkdir()
    for name in ("pyproject.toml", "requirements.in", "README.md", "main.py"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("noisy_student", "flags", "tools"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", directory, source]
    subprocess.run(command, check=True, capture_output=True, timeout=480)
    [path] = directory.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_the_library_alone(wheel):
    names = [name.split("/") for name in wheel.namelist()]
    assert {name[0] for name in names} == {
        "noisy_student",
        "noisy_student-0.1.0.dist-info",
    }
    files = {"/".join(name) for name in names if name[0] == "noisy_student"}
    assert files == {
        str(path.relative_to(ROOT))
        for path in (ROOT / "noisy_student").rglob("*")
        if path.suffix in (".py", ".jinja")
    }


def test_the_wheel_requires_what_the_list_says(wheel):
    metadata = wheel.read("noisy_student-0.1.0.dist-info/METADATA").decode()
    required = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    listed = requirements(ROOT / "requirements.in")

    def parts(requirement):
        name, versions = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        return normalized(name), set(versions.split(","))

    assert sorted(map(parts, required)) == sorted(map(parts, listed))


CONSTRAINTS = {
    normalized(name): version
    for line in requirements(ROOT / "constraints.txt")
    for name, version in [line.split("==")]
}


def test_every_list_of_requirements_is_constrained():
    """Each includes the constraints, or a list that does."""
    included = {
        path.name: re.findall(r"^-[cr] (.*)$", path.read_text(), re.MULTILINE)
        for path in ROOT.glob("requirements*.txt")
    }
    assert included["requirements.txt"][0] == "constraints.txt"
    for name in included:
        while name != "requirements.txt":
            name = included[name][0]


def test_all_that_is_required_is_installed_as_constrained():
    """Indirect requirements, too; pip and setuptools come with Python."""
    pending = [
        Requirement(line)
        for path in ROOT.glob("requirements*")
        if path.name != "requirements-gpu.txt"
        for line in requirements(path)
    ]
    seen = {"pip", "setuptools"}
    while pending:
        requirement = pending.pop()
        name = normalized(requirement.name)
        key = (name, frozenset(requirement.extras))
        if {name, key} & seen:
            continue
        seen.add(key)
        distribution = importlib.metadata.distribution(name)
        assert distribution.version == CONSTRAINTS.get(name), name
        for line in distribution.requires or ():
            indirect = Requirement(line)
            marker = indirect.marker
            extras = [{"extra": extra} for extra in ("", *requirement.extras)]
            if marker is None or any(map(marker.evaluate, extras)):
                pending.append(indirect)
    assert len(seen) > 90


def test_the_libraries_of_gpus_are_constrained():
    """They are not installed here."""
    extra = {"extra": "and-cuda"}
    required = [
        requirement
        for requirement in map(
            Requirement, importlib.metadata.requires("tensorflow")
        )
        if requirement.marker and requirement.marker.evaluate(extra)
    ]
    assert len(required) > 10
    for requirement in required:
        version = CONSTRAINTS[normalized(requirement.name)]
        assert version in requirement.specifier, requirement
