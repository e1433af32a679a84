"""Makes sharded TFRecords of folders of images or of tensorflow-datasets."""

from noisy_student.make_records.make import MakeRecords
from noisy_student.make_records.svhn import PrepareSvhn

__all__ = ["MakeRecords", "PrepareSvhn"]
