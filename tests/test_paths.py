"""Paths of this machine and of buckets, and buckets that cannot be reached."""

import pathlib
import time

import pytest
import tensorflow as tf

from noisy_student.config import paths
from noisy_student.errors import InputError
from tests import scripts


def test_a_path_of_this_machine_is_pythons(tmp_path):
    path = paths.to_path(str(tmp_path))
    assert type(path) is type(tmp_path) and path == tmp_path
    assert paths.to_path(tmp_path) == tmp_path


def test_a_path_in_a_bucket_keeps_its_name(bucket):
    path = paths.to_path("ram://bucket/a//b/")
    assert str(path) == "ram://bucket/a/b"
    assert paths.to_path(path) == path == bucket / "a" / "b"
    assert not isinstance(path, pathlib.Path)


def test_directories_above_end_at_the_bucket(bucket):
    above = paths.parents(bucket / "a" / "b")
    assert list(map(str, above)) == ["ram://bucket/a", "ram://bucket"]
    assert paths.parents(bucket) == []
    above = paths.parents(paths.to_path("/a/b"))
    assert list(map(str, above)) == ["/a", "/"]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("ram://other/run", "there is no bucket ram://other."),
        ("s3://b/run", "TensorFlow knows no s3:// here; gs:// works."),
        ("hdfs://b/run", "TensorFlow knows no hdfs:// here; gs:// works."),
    ],
)
def test_a_bucket_that_is_not_there_is_one_line(bucket, path, fault):
    with pytest.raises(InputError) as error:
        paths.to_path(path)
    assert str(error.value) == f"{path} cannot be reached: {fault}"


def test_no_bucket_is_waited_for_long(bucket, monkeypatch):
    monkeypatch.setattr(paths, "_TIME_LIMIT", 0.1)
    monkeypatch.setattr(tf.io.gfile, "exists", lambda path: time.sleep(5))
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"no answer in 0\.1 seconds\. Check"):
        paths.to_path("ram://slow/run")
    assert time.monotonic() - begin < 3


def test_a_bucket_is_asked_once(bucket, monkeypatch):
    asked = []
    monkeypatch.setattr(tf.io.gfile, "exists", lambda x: asked.append(x) or 1)
    for name in ("new/a", "new/b", "bucket/a"):
        paths.to_path(f"ram://{name}")
    assert asked == ["ram://new/a"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("main.py", "--model_dir=gs://no-such-bucket-of-ours/run"),
        ("main.py", "--label_data_dir=gs://no-such-bucket-of-ours/images"),
        (
            "tools/make_records.py",
            "--input_dir=gs://no-such-bucket-of-ours/images",
            "--output_dir=records",
        ),
    ],
)
def test_a_bucket_out_of_reach_is_one_line(arguments):
    process = scripts.python(*arguments, timeout=100)
    assert scripts.error_of(process).startswith(
        "error: gs://no-such-bucket-of-ours/"
    )
    assert "cannot be reached: " in process.stderr
