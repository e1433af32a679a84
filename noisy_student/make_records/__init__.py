"""Makes sharded TFRecords: of folders, of tensorflow-datasets, of SVHN."""

from noisy_student.make_records.make import MakeRecords
from noisy_student.make_records.svhn import PrepareSvhn

__all__ = ["MakeRecords", "PrepareSvhn"]
