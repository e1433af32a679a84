"""`--mode=predict --reassign_label`: another teacher's labels for kept images.

The filtered records are images like any others: they are predicted and, with
`use_all`, written by the same functions, so that all of them are kept.
"""

import dataclasses
import hashlib
import json
import pathlib

from noisy_student import pseudo_labels
from noisy_student.data import tfrecords
from noisy_student.stages.base import Stage
from noisy_student.stages.experiment import (
    Experiment,
    required_directory,
    resolve_model,
)
from noisy_student.stages.predict import digest, label_images, local_devices


class Reassign(Stage):
    """Labels filtered images anew."""

    def validate(self) -> None:
        config = self.config
        predict = config.predict
        output_dir = required_directory(predict.output_dir, "output_dir")
        self.teacher = resolve_model(config)
        filtered = required_directory(
            config.data.unlabel_data_dir, "unlabel_data_dir"
        )
        if predict.shard_id or predict.worker_id is not None:
            raise ValueError(
                "reassign_label does all shards; leave out shard_id and "
                "worker_id."
            )
        if filtered.resolve() == output_dir.resolve():
            raise ValueError(
                f"output_dir and unlabel_data_dir are both {filtered}; name "
                "another output_dir."
            )
        paths = pseudo_labels.record_paths(filtered)
        experiment = Experiment.open(config, local_devices(config))
        pseudo_labels.check_images(filtered, experiment.data.identity)
        data = dataclasses.replace(
            experiment.data,
            unlabeled=tfrecords.from_files(paths, str(filtered)),
            identity=experiment.data.identity | _reassigned_from(filtered),
        )
        self.experiment = dataclasses.replace(experiment, data=data)
        self.output_dir = output_dir
        self.settings = dataclasses.replace(
            config.pseudo_labels,
            num_shards=len(paths),
            total_replicas=1,
            use_all=True,
        )
        self.files = pseudo_labels.PredictionFiles(
            output_dir / "predictions",
            output_dir / "info",
            pseudo_labels.Division.from_config(self.settings),
        )
        teacher = digest(self.teacher)
        pseudo_labels.check_output(
            output_dir, data, teacher, self.settings, config.seed
        )
        self.files.check_made_from(
            {"images": data.identity, "teacher": teacher}
        )

    def run(self) -> None:
        label_images(self.experiment, self.teacher, self.files)
        stats = pseudo_labels.filter_and_balance(
            self.experiment.data,
            self.files,
            self.output_dir,
            self.settings,
            self.config.seed,
        )
        print(json.dumps(dataclasses.asdict(stats)))


def _reassigned_from(filtered: pathlib.Path) -> dict[str, str]:
    """Tells filtered images from others, for their identity."""
    stats = (filtered / pseudo_labels.STATS_FILE).read_bytes()
    place = str(filtered.resolve()).encode()
    sha = hashlib.sha256(place + b"\0" + stats).hexdigest()
    return {pseudo_labels.REASSIGNED_FROM: sha}
