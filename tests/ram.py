"""TensorFlow's file system in memory, ram://, as a bucket of this process."""

import tensorflow as tf
from etils.epath import backend, gpath, register

from noisy_student.config import paths

ROOT = "ram://bucket"


def open_bucket(monkeypatch):
    """Lets `epath` know ram://, and yields an empty directory in it.

    Paths in it are those of gs:// in all but the scheme.
    """
    prefixes = (*gpath._URI_PREFIXES, "ram://")
    monkeypatch.setattr(gpath, "_URI_PREFIXES", prefixes)
    monkeypatch.setattr(gpath, "_URI_SCHEMES", gpath._URI_SCHEMES | {"ram"})
    monkeypatch.setitem(gpath._URI_MAP_ROOT, "ram://", "/ram/")
    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "ram", backend.tf_backend)
    monkeypatch.setitem(
        register._URI_PREFIXES_TO_CLS, "ram://", gpath.PosixGPath
    )
    monkeypatch.setattr(paths, "_reached", set())
    copy = tf.io.gfile.copy

    def replace(source, target, overwrite=False):
        # It adds to a file that is written again.
        if overwrite and tf.io.gfile.exists(target):
            tf.io.gfile.remove(target)
        copy(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "copy", replace)
    tf.io.gfile.makedirs(ROOT)
    yield paths.to_path(ROOT)
    tf.io.gfile.rmtree(ROOT)
