"""Imports TensorFlow as a program of ours wants it: quietly, and soon."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow, and looks for devices, without its own notes.

    Its libraries write a dozen lines that look like errors, such as that there
    is no GPU, before any setting could stop them. They are shown where the
    import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Of a file in a bucket it would read 64 MB ahead, of which records in
    # another order need little.
    os.environ.setdefault("GCS_READ_CACHE_BLOCK_SIZE_MB", "1")
    gc.disable()  # imports make no garbage
    with _standard_error_kept():
        import tensorflow as tf

        tf.config.list_physical_devices()
    gc.enable()
    gc.freeze()  # what they made stays; no need to look through it again
    # Its Python warns of retracing where models of several sizes take turns.
    tf.get_logger().setLevel("ERROR")


@contextlib.contextmanager
def _standard_error_kept() -> Iterator[None]:
    """Shows what the block writes, in C++ too, only where it fails."""
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(shown, kept.read())
            raise
        finally:
            os.dup2(shown, 2)
            os.close(shown)
