import psutil
import pytest
import tensorflow as tf

from noisy_student import memory
from noisy_student.errors import InputError

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


ON_GPU = (
    "{{function_node __inference__run_12}} 2 root error(s) found.\n  (0) "
    "RESOURCE_EXHAUSTED: OOM when allocating tensor with "
    "shape[128,96,112,112] and type half on "
    "/job:localhost/replica:0/task:0/device:GPU:1 by allocator GPU_1_bfc"
    "\n\t [[{{node a}}]]\nHint: If you want to see a list\n"
)
ON_TPU = (
    "Compilation failure: XLA:TPU compile permanent error. Ran out of memory "
    "in memory space hbm. Used 21.95G of 15.48G hbm. Exceeded hbm capacity by "
    "6.47G"
)
FULL = tf.errors.ResourceExhaustedError


@pytest.mark.parametrize(
    ("error", "message", "complaint"),
    [
        (FULL, ON_GPU, "no 308,281,344 bytes for half [128,96,112,112] on GPU"),
        (FULL, ON_TPU, "Used 21.95G of 15.48G hbm"),
        (
            FULL,
            "Out of memory while trying to allocate 8.01TiB. [Op:__inference]",
            "trying to allocate 8.01TiB",
        ),
        (FULL, "failed to allocate memory [Op:AddV2]", "failed to allocate"),
        (
            tf.errors.InternalError,
            "Failed copying input tensor: Dst tensor is not copied.",
            "Dst tensor is not copied",
        ),
    ],
)
def test_a_full_memory_is_one_line_with_ways_out(error, message, complaint):
    with (
        pytest.raises(InputError) as caught,
        memory.enough("training on 512 images", "lower train_batch_size"),
    ):
        raise error(None, None, message)
    [line] = str(caught.value).split("\n")
    assert complaint in line
    assert line.startswith("There is not enough memory for training on 512 im")
    assert line.endswith("): lower train_batch_size.")


@pytest.mark.parametrize(
    "error",
    [
        FULL(None, None, "/data/train-0; Too many open files"),
        FULL(None, None, "/classroom/train-0; Too many open files"),
        tf.errors.InternalError(None, None, "ptxas exited with code 2"),
        tf.errors.AbortedError(None, None, "out of memory"),
    ],
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)), memory.enough("it", "do"):
        raise error


@pytest.mark.slow  # TensorFlow waits for memory to come free
def test_xlas_own_error_is_understood():
    @tf.function(jit_compile=True)
    def pebibyte():
        return tf.random.stateless_uniform([2**24, 2**24], [1, 2])

    asked = r"it \(trying to allocate 1.00PiB\): do"
    with pytest.raises(InputError, match=asked), memory.enough("it", "do"):
        pebibyte()
