"""SVHN's records, made of scanned digits in files like its own."""

import io

import numpy as np
import pytest
import scipy.io
import tensorflow as tf
from PIL import Image

from noisy_student import make_records
from noisy_student.config import DataConfig
from noisy_student.config.tools import SvhnSettings
from noisy_student.data.open import open_task
from noisy_student.errors import InputError
from noisy_student.make_records import svhn
from tests import file_server
from tests.data.directories import encoded_of, labels_of
from tests.data.svhn_files import digits, write_mat, write_svhn

SIZES = {"train": 30, "test": 12, "extra": 20}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The directory of the files, and what is in them."""
    path = tmp_path_factory.mktemp("raw")
    return path, write_svhn(path / "downloaded_data", **SIZES)


def prepare(raw_dir, output, **settings):
    values = {"num_dev_images": 7, "num_shards": 4, "num_workers": 1}
    stage = make_records.PrepareSvhn(
        SvhnSettings(
            raw_data_dir=str(raw_dir),
            output_dir=str(output),
            **(values | settings),
        )
    )
    stage.validate()
    stage.run()


def open_records(path, **settings):
    config = DataConfig("svhn", label_data_dir=str(path), **settings)
    return open_task(config, seed=0)


def pixels_of(source):
    """int (images, 32, 32, 3)."""
    images = [Image.open(io.BytesIO(e)) for e in encoded_of(source)]
    return np.stack([np.asarray(image) for image in images]).astype(int)


def assert_holds(source, images, labels):
    assert labels_of(source) == labels.tolist()
    # JPEGs of the best quality are nearly the same.
    assert np.abs(pixels_of(source) - images).max() <= 4


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*-of-*")
    }


def test_the_splits_and_their_order_are_the_originals(raw, tmp_path):
    raw_dir, parts = raw
    prepare(raw_dir, tmp_path)
    names = set(contents(tmp_path))
    assert names == {
        *(f"train-{i:05d}-of-00004" for i in range(4)),
        *(f"dev-{i:05d}-of-00002" for i in range(2)),
        *(f"test-{i:05d}-of-00002" for i in range(2)),
        *(f"unlabeled/extra-{i:05d}-of-00004" for i in range(4)),
    }
    # The original draws both orders from NumPy's global generator.
    np.random.seed(0)
    train, extra = np.arange(30), np.arange(20)
    np.random.shuffle(train)
    np.random.shuffle(extra)
    data = open_records(tmp_path, unlabel_image_dir=str(tmp_path / "unlabeled"))
    dev = open_records(tmp_path, test_split="dev").test
    for source, name, order in (
        (dev, "train", train[:7]),
        (data.labeled, "train", train[7:]),
        (data.test, "test", np.arange(12)),
        (data.unlabeled, "extra", extra),
    ):
        images, labels = parts[name]
        assert_holds(source, images[order], labels[order])
    assert data.class_names == tuple("0123456789")


def test_records_have_the_originals_keys(raw, tmp_path):
    raw_dir, parts = raw
    prepare(raw_dir, tmp_path)

    def examples(pattern):
        files = sorted(map(str, tmp_path.glob(pattern)))
        for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            yield example.features.feature

    labels = [
        e["image/class/label"].int64_list.value for e in examples("test-*")
    ]
    assert labels == [[label + 1] for label in parts["test"][1]]
    for example in examples("unlabeled/extra-*"):
        assert example["probabilities"].float_list.value == [0] * 10
        assert example["prob"].float_list.value == [0]
        assert example["label"].int64_list.value == [0]
        assert 1 <= example["image/class/label"].int64_list.value[0] <= 10


def test_shards_are_as_many_as_the_originals(raw, tmp_path):
    """Or as many as there are images."""
    raw_dir, _ = raw
    prepare(
        raw_dir,
        tmp_path,
        num_shards=SvhnSettings("x", raw_data_dir="y").num_shards,
    )
    assert (tmp_path / "train-00022-of-00023").exists()
    assert (tmp_path / "unlabeled/extra-00019-of-00020").exists()


@pytest.mark.slow
def test_processes_make_the_same_records(raw, tmp_path):
    raw_dir, _ = raw
    prepare(raw_dir, tmp_path / "one")
    prepare(raw_dir, tmp_path / "two", num_workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_seed_chooses_what_is_held_out(raw, tmp_path):
    raw_dir, _ = raw
    prepare(raw_dir, tmp_path / "a")
    prepare(raw_dir, tmp_path / "b", seed=1)
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first.keys() == second.keys()
    differing = {name[:3] for name in first if first[name] != second[name]}
    assert differing == {"tra", "dev", "unl"}


def test_all_training_images_may_train(raw, tmp_path):
    raw_dir, parts = raw
    prepare(raw_dir, tmp_path, full_train_data=True)
    data = open_records(tmp_path)
    assert sorted(labels_of(data.labeled)) == sorted(parts["train"][1])
    dev = open_records(tmp_path, test_split="dev").test
    assert encoded_of(dev) == encoded_of(data.test)


def test_what_is_written_is_not_made_again(raw, tmp_path, monkeypatch):
    raw_dir, _ = raw
    prepare(raw_dir, tmp_path)
    before = contents(tmp_path)
    (tmp_path / "test-00001-of-00002").unlink()
    read = []
    pixels = svhn.MatFile.pixels

    def recording(file, places):
        read.append((file.path.name, len(places)))
        return pixels(file, places)

    monkeypatch.setattr(svhn.MatFile, "pixels", recording)
    prepare(raw_dir, tmp_path)
    assert read == [("test_32x32.mat", 6)]
    assert contents(tmp_path) == before
    with pytest.raises(ValueError, match="num_shards of train='4' there"):
        prepare(raw_dir, tmp_path, num_shards=2)


def test_too_many_to_hold_out(raw, tmp_path):
    message = "num_dev_images must be below the 30 training images; got 30"
    with pytest.raises(ValueError, match=message):
        prepare(raw[0], tmp_path, num_dev_images=30)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, "and y, .images, 1."),
        ({"X": np.zeros((9, 9, 3, 2), np.uint8), "y": [[1], [2]]}, "and not X"),
        ({"X": np.zeros((32, 32, 3, 2)), "y": [[1], [2]]}, "not uint8"),
        (
            {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [11]]},
            r"labels outside of \[0, 10\]",
        ),
    ],
)
def test_other_content_is_refused(content, message, tmp_path):
    path = tmp_path / "downloaded_data/train_32x32.mat"
    write_svhn(path.parent, **SIZES)
    scipy.io.savemat(path, content)
    with pytest.raises(InputError, match=f"^{path} .*{message}"):
        prepare(tmp_path, tmp_path / "out", num_dev_images=1)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_named(share, tmp_path):
    path = tmp_path / "downloaded_data/extra_32x32.mat"
    write_svhn(path.parent, **SIZES)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=f"^{path} .*remove it") as raised:
        prepare(tmp_path, tmp_path / "out")
    assert "\n" not in str(raised.value)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of files in place of SVHN's; returns their directory."""
    directory = tmp_path / "served"
    directory.mkdir()

    with file_server.serving(directory) as (url, handler):
        monkeypatch.setattr(svhn, "URL", url)
        yield directory, handler


def test_missing_files_are_downloaded(server, raw, tmp_path, capsys):
    directory, _ = server
    parts = write_svhn(directory, **SIZES)
    raw_dir = tmp_path / "raw"
    there = raw_dir / "downloaded_data/test_32x32.mat"
    there.parent.mkdir(parents=True)
    write_mat(there, *(part[40:45] for part in digits()))
    prepare(raw_dir, tmp_path / "out")
    found = {p.name for p in there.parent.iterdir()}
    assert found == {f"{name}_32x32.mat" for name in SIZES}
    data = open_records(tmp_path / "out")
    assert data.test.num_images == 5  # it was there
    assert data.labeled.num_images == len(parts["train"][1]) - 7
    assert "download train_32x32.mat" in capsys.readouterr().err


def test_a_download_that_breaks_off_leaves_nothing(server, tmp_path):
    directory, handler = server
    write_svhn(directory, **SIZES)
    handler.cut = 10
    url = f"{svhn.URL}train_32x32.mat"
    message = f"^{url} cannot be downloaded: it ended after .* bytes. Put the"
    with pytest.raises(InputError, match=message):
        prepare(tmp_path / "raw", tmp_path / "out")
    assert list((tmp_path / "raw/downloaded_data").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://localhost:1/", "Connection refused"),
        ("http://nowhere.invalid/", "[Nn]ame"),
    ],
)
def test_without_a_network(url, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(svhn, "URL", url)
    path = tmp_path / "raw/downloaded_data/train_32x32.mat"
    message = f"^{url}train_32x32.mat cannot be .*{reason}.*at {path}, and run"
    with pytest.raises(InputError, match=message):
        prepare(tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "out").exists()
