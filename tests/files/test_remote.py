"""Files in a bucket, beside the same on a disk."""

import pytest
import tensorflow as tf
from etils import epath

from noisy_student.errors import InputError
from noisy_student.files import (
    metrics_file,
    remote,
    shards,
    writing,
)

TREE = (
    "a.txt",
    "b/c.jpg",
    "b/d/e.json",
    "b/f/e.json",
    "g[1]/h.json",
    "g1/h.json",
    "ckpt-1.index",
    "ckpt-12.index",
)


@pytest.fixture
def trees(bucket, tmp_path):
    """The same files in a bucket and on a disk."""
    for root in (bucket, tmp_path):
        for name in TREE:
            writing.write_text(root / name, name)
    return bucket, tmp_path


def in_both(trees, function):
    """What is found in both, as names; asserts that it is the same."""
    there, here = (
        [str(path.relative_to(root)) for path in function(root)]
        for root in trees
    )
    assert there == here
    return there


def test_what_is_found_is_that_of_a_disk(trees):
    for name in (".", "b", "b/d", "none", "a.txt"):
        there, here = (remote.listing(root / name) for root in trees)
        assert there == here
    assert sorted(in_both(trees, remote.files_below)) == sorted(TREE)
    for pattern, count in (
        ("*.index", 2),
        ("ckpt-?.index", 1),
        ("b/*/*.json", 2),
        ("*/h.json", 2),
        ("none/*", 0),
        ("a.tx", 0),
        ("a.txt/*", 0),
    ):
        found = in_both(trees, lambda root, x=pattern: remote.glob(root, x))
        assert len(found) == count


def test_folders_of_google_are_told_by_their_names(monkeypatch):
    names = ["cat/", "1.jpg", "dog/", "notes"]
    monkeypatch.setattr(tf.io.gfile, "listdir", lambda path: names)
    monkeypatch.setattr(tf.io.gfile, "isdir", lambda path: 1 / 0)
    found = remote.listing(epath.Path("gs://bucket/images"))
    assert found == (["cat", "dog"], ["1.jpg", "notes"])


def test_names_of_directories_are_no_patterns(trees):
    def glob(root):
        return remote.glob(root / "g[1]", "*.json")

    assert in_both(trees, glob) == ["g[1]/h.json"]


def test_a_file_is_replaced_whole_or_not_at_all(bucket):
    path = bucket / "deep" / "a.json"
    writing.write_json(path, [1, 2, 3])
    with pytest.raises(KeyError), writing.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert writing.read_json(path) == [1, 2, 3]
    writing.write_json(path, [4])
    assert writing.read_json(path) == [4]
    assert remote.listing(path.parent) == ([], ["a.json"])


def test_a_bucket_that_cannot_be_written_is_one_line(bucket):
    writing.write_text(bucket / "a", "a file")
    with pytest.raises(InputError, match=r"^ram://bucket/a/b cannot be writ"):
        writing.write_text(bucket / "a" / "b", "")


def test_a_directory_is_whole_when_its_last_file_is_there(bucket, monkeypatch):
    copied, copy = [], remote.copy

    def watched(source, target):
        copied.append(source.name)
        if len(copied) == 6:
            raise tf.errors.UnavailableError(None, None, "gone")
        copy(source, target)

    monkeypatch.setattr(remote, "copy", watched)

    def write():
        with writing.replacing_directory(path, "made.json") as temporary:
            for name in ("x/y/z", "made.json", "other"):
                writing.write_text(temporary / name, name)

    path = bucket / "export"
    write()
    assert copied[-1] == "made.json"
    there = {str(x.relative_to(path)) for x in remote.files_below(path)}
    assert there == {"x/y/z", "made.json", "other"}
    path = bucket / "another"
    with pytest.raises(InputError, match="another cannot be written: gone"):
        write()
    assert not path.exists()


def test_files_are_copied_both_ways(bucket, tmp_path):
    here, there = tmp_path / "a.bin", bucket / "a.bin"
    here.write_bytes(bytes(range(256)))
    writing.copy(here, there)
    assert remote.size(there) == remote.size(here) == 256
    with remote.local_copy(there) as local:
        assert local.read_bytes() == here.read_bytes()
        assert not remote.is_remote(local) and local.suffix == ".bin"
    assert not local.exists()
    with remote.local_copy(here) as local:
        assert local == here
    writing.copy(there, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == here.read_bytes()
    with remote.open_binary(there) as file:
        assert (file.seek(3), file.read(2))[1] == b"\3\4"


def test_records_are_written_to_a_bucket(bucket):
    path = bucket / "train-00000-of-00001"
    with shards.shard_writer(path) as writer:
        writer.write(b"one")
        assert not path.exists()
        writer.write(b"two")
    found = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    assert found == [b"one", b"two"]


def test_a_line_is_added_to_the_metrics(bucket):
    for step in (1, 2, 3):
        metrics_file.append(bucket, {"step": step})
    metrics_file.drop_after(bucket, 2)
    assert [x["step"] for x in metrics_file.read(bucket)] == [1, 2]


def test_a_directory_is_removed(trees):
    bucket, _ = trees
    writing.remove(bucket / "b")
    writing.remove(bucket / "none")
    assert "b" not in remote.listing(bucket)[0]
