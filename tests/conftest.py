"""What all tests share: small fixtures, and two logical CPUs."""

import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import tensorflow as tf
from absl import logging

# Those that take longest.
_LONGEST = (
    "test_printed_commands",
    "test_training_modes",
    "test_main",
    "test_own_images",
    "test_trainer",
)
FIXTURES = pathlib.Path(__file__).parent / "fixtures"

# Must precede every use of TensorFlow; replicas of tests live on these.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture(scope="session")
def fixtures() -> pathlib.Path:
    return FIXTURES


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A finished self-training; see `tests.finished`."""
    from tests.finished import finished_run

    return finished_run(tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.Strategy:
    # One for all tests: each strategy of a process numbers its collective
    # operations from the same start, and they would be taken for one another.
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def cifar_dir() -> str:
    """A directory where tensorflow-datasets has CIFAR-10."""
    directory = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    directory = pathlib.Path(directory).expanduser()
    if not (directory / "cifar10").is_dir():
        pytest.skip(f"{directory} has no cifar10; set TFDS_DATA_DIR")
    return str(directory)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first, so that processes end at about the same time."""
    order = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    """Spares the garbage collector TensorFlow's objects, and the tests."""
    gc.freeze()


@pytest.fixture
def warnings(monkeypatch):
    """The warnings that are logged, as a list of their texts."""
    lines = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: lines.append(text % args)
    )
    return lines


@pytest.fixture
def distant_tpu(monkeypatch):
    """A TPU whose host is another process, as TensorFlow lists its cores."""
    name = "/job:worker/replica:0/task:0/device:TPU:0"
    cores = [tf.config.LogicalDevice(name, "TPU")]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: cores)


@pytest.fixture
def bucket(monkeypatch):
    """An empty directory in memory, which is a bucket for this process."""
    from tests import ram

    yield from ram.open_bucket(monkeypatch)
