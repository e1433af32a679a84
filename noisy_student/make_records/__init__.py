"""Makes sharded TFRecords of folders of images or of tensorflow-datasets."""

from noisy_student.make_records.make import MakeRecords, PrepareSvhn

__all__ = ["MakeRecords", "PrepareSvhn"]
