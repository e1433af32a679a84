import psutil
import pytest

from noisy_student import memory

GIB = 2**30


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A machine with 8 GiB free, and control groups in a directory."""
    monkeypatch.setattr(memory, "_ROOT", tmp_path)
    free = type("Memory", (), {"available": 8 * GIB})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    return tmp_path


def write(directory, **files):
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(f"{text}\n")


def test_without_a_container_it_is_the_machines(root):
    assert memory.available() == 8 * GIB


def test_a_containers_limit_counts_and_its_files_give_way(root):
    write(
        root,
        memory__max=6 * GIB,
        memory__current=5 * GIB,
        memory__stat=f"anon 1\ninactive_file {2 * GIB}\nactive_file 7",
    )
    assert memory.available() == 3 * GIB


def test_an_unlimited_container(root):
    write(root, memory__max="max", memory__current=5 * GIB, memory__stat="")
    assert memory.available() == 8 * GIB


def test_control_groups_of_version_1(root):
    write(
        root / "memory",
        memory__limit_in_bytes=6 * GIB,
        memory__usage_in_bytes=5 * GIB,
        memory__stat=f"inactive_file 0\ntotal_inactive_file {GIB}",
    )
    # The first of both is the group's own.
    assert memory.available() == GIB


def test_this_machine_has_some():
    assert 2**20 < memory.available() < 2**50
