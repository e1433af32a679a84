"""Names of the files that filtering leaves, ours and the original program's.

The records of share (shard S, worker W) of N shards are

* ours: `data/train-S-of-N`, or `data/train-W-S-of-N` where several workers
  divide each shard;
* the original's: `train-W-S-of-N` always, in `data/` or, where filtered images
  are labelled again, in the directory itself. A share that keeps nothing has no
  file.

Beside them are `counts/` and `tallies/`, a file for each share.
"""

import dataclasses

from etils import epath

from noisy_student.files import shards
from noisy_student.pseudo_labels.predictions import PredictionFiles, Share

DATA_DIR = "data"


@dataclasses.dataclass(frozen=True)
class LabelFiles:
    """The files of pseudo labels that are made from predictions.

    Attributes:
        predictions: the predictions, which are divided alike.
        output_dir: directory of all files.
        counts_dir: directory of the counts; None for `output_dir`/counts.
        original_names: whether the records are named as by the original.
        data_dir: where in `output_dir` the records are.
    """

    predictions: PredictionFiles
    output_dir: epath.Path
    counts_dir: epath.Path | None = None
    original_names: bool = False
    data_dir: str = DATA_DIR

    def counts(self, share: Share) -> epath.Path:
        """A share's predictions, counted by class and probability."""
        directory = self.counts_dir or self.output_dir / "counts"
        return directory / self._name("counts", share)

    def tally(self, share: Share) -> epath.Path:
        """What was written of a share; it is written last."""
        return self.output_dir / "tallies" / self._name("tally", share)

    def data(self, share: Share) -> epath.Path:
        """A share's pseudo-labelled records."""
        predictions = self.predictions
        with_worker = self.original_names or predictions.total_replicas > 1
        prefix = f"train-{share.worker}" if with_worker else "train"
        name = shards.shard_name(prefix, share.shard, predictions.num_shards)
        return self.output_dir / self.data_dir / name

    def _name(self, prefix: str, share: Share) -> str:
        return self.predictions.file_name(prefix, share, ".json")
