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


OF_THE_WHEEL = ("requirements.in", "requirements-tensorflow.in")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built in a copy, because setuptools leaves files beside the sources."""
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"
    source.mkdir()
    for name in ("pyproject.toml", *OF_THE_WHEEL, "README.md", "main.py"):
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
    listed = [
        line for name in OF_THE_WHEEL for line in requirements(ROOT / name)
    ]

    def parts(requirement):
        name, versions = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        return normalized(name), set(versions.split(","))

    assert sorted(map(parts, required)) == sorted(map(parts, listed))


def pins(name):
    """The versions that a list holds, by package."""
    lines = (line.split("==") for line in requirements(ROOT / name))
    return {normalized(package): version for package, version in lines}


CONSTRAINTS = pins("constraints.txt") | pins("requirements.txt")


def test_every_list_of_requirements_is_constrained():
    """Each includes the constraints, or a list that does."""
    included = {
        path.name: re.findall(r"^-[cr] (.*)$", path.read_text(), re.MULTILINE)
        for path in ROOT.glob("requirements*.txt")
    }
    for name in included:
        while name != "constraints.txt":
            name = included[name][0]


def test_tpus_get_the_same_but_for_tensorflow():
    """Both builds of it are within what the wheel asks for."""
    usual, tpu = (ROOT / f"requirements{of}.txt" for of in ("", "-tpu"))
    includes = [
        [line for line in path.read_text().split("\n") if line[:1] == "-"]
        for path in (usual, tpu)
    ]
    assert includes[0] == includes[1]
    usual, tpu = pins(usual.name), pins(tpu.name)
    assert usual.keys() == {"tensorflow", "tensorboard"}
    # The package tensorflow would overwrite its files.
    assert tpu.keys() == {"tensorflow-tpu", "tensorboard", "libtpu"}
    assert not {*usual, *tpu} & {*pins("constraints.txt")}
    [asked] = map(
        Requirement, requirements(ROOT / "requirements-tensorflow.in")
    )
    versions = usual["tensorflow"], tpu["tensorflow-tpu"]
    assert all(version in asked.specifier for version in versions)
    # As its package asks for; it is not installed here.
    minor = tpu["tensorflow-tpu"].rpartition(".")[0]
    assert tpu["tensorboard"].startswith(f"{minor}.")
    assert tpu["libtpu"] in Requirement("libtpu~=0.0.14").specifier


NOT_HERE = ("requirements-gpu.txt", "requirements-tpu.txt")


def test_all_that_is_required_is_installed_as_constrained():
    """Indirect requirements, too; pip and setuptools come with Python."""
    tpu = pins("requirements-tpu.txt")
    tpu["tensorflow"] = tpu.pop("tensorflow-tpu")
    # The versions of TPUs are tried with the package for CPUs.
    has_tpus = importlib.metadata.version("tensorflow") == tpu["tensorflow"]
    constraints = CONSTRAINTS | (tpu if has_tpus else {})
    pending = [
        Requirement(line)
        for path in ROOT.glob("requirements*")
        if path.name not in NOT_HERE
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
        assert distribution.version == constraints.get(name), name
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
