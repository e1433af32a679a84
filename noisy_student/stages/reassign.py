"""`--mode=predict --reassign_label`: another teacher's labels for kept images.

The filtered records are images like any others: they are predicted and, with
`use_all`, written by the same functions, so that all of them are kept.
"""

import dataclasses
import json

from noisy_student import pseudo_labels
from noisy_student.data import tfrecords
from noisy_student.stages.experiment import (
    Experiment,
    Stage,
    required_directory,
    resolve_model,
)
from noisy_student.stages.predict import (
    digest,
    label_files,
    local_devices,
    make_pseudo_labels,
)


class Reassign(Stage):
    """Labels filtered images anew."""

    def validate(self) -> None:
        config = self.config
        predict = config.predict
        self.output_dir = required_directory(predict, "output_dir")
        self.teacher = resolve_model(config)
        filtered = required_directory(config.data, "unlabel_data_dir")
        if predict.shard_id or predict.worker_id is not None:
            raise ValueError(
                "reassign_label does all shards; leave out shard_id and "
                "worker_id."
            )
        if filtered.resolve() == self.output_dir.resolve():
            raise ValueError(
                f"output_dir and unlabel_data_dir are both {filtered}; name "
                "another output_dir."
            )
        paths = pseudo_labels.record_paths(filtered)
        opened = Experiment.open(config, local_devices(config))
        pseudo_labels.check_records(filtered, opened.data.identity)
        data = dataclasses.replace(
            opened.data,
            unlabeled=tfrecords.from_files(paths, str(filtered)),
            identity=opened.data.identity
            | pseudo_labels.reassigned_from(filtered),
        )
        settings = dataclasses.replace(
            config.pseudo_labels,
            num_shards=len(paths),
            total_replicas=1,
            use_all=True,
        )
        config = dataclasses.replace(config, pseudo_labels=settings)
        self.experiment = Experiment(config, data, opened.devices)
        teacher = digest(self.teacher)
        pseudo_labels.check_output(
            self.output_dir, data, teacher, settings, config.seed
        )
        label_files(config, self.output_dir).check_made_from(
            {"images": data.identity, "teacher": teacher}
        )

    def run(self) -> None:
        stats = make_pseudo_labels(
            self.experiment, self.teacher, self.output_dir, self.config.seed
        )
        print(json.dumps(dataclasses.asdict(stats)))
