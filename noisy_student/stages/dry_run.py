"""`--dry_run`: what a training or a whole run would take, and nothing more."""

import dataclasses
import tempfile
from collections.abc import Iterable, Sequence

import numpy as np

from noisy_student import models, pseudo_labels, training
from noisy_student.config import ExperimentConfig
from noisy_student.data.sources import ImageSource
from noisy_student.report import tables
from noisy_student.stages import generations, train
from noisy_student.stages.experiment import Experiment, Stage
from noisy_student.stages.self_train import SelfTrain
from noisy_student.stages.train import Train
from noisy_student.stages.training_input import Unlabeled

# Of each weight: itself, its average and two moments of the optimizer, in
# float32.
_BYTES_PER_WEIGHT = 16
# Without gradients, images take about a third of the time.
_GRADIENTS_COST = 3


@dataclasses.dataclass(frozen=True)
class _Estimate:
    """What a training would take.

    Attributes:
        name: For people.
        model: Its name.
        side: Of its input, in pixels.
        images: In each step.
        steps: How many.
        speed: Images a second.
        weights: Number of weights.
    """

    name: str
    model: str
    side: int
    images: int
    steps: int
    speed: float
    weights: int

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return self.steps * self.images / self.speed


class DryRun(Stage):
    """Validates as the run itself, then says what it would take."""

    def validate(self) -> None:
        kinds: dict[str, type[SelfTrain | Train]] = {
            "self_train": SelfTrain,
            "train": Train,
        }
        if self.config.mode not in kinds:
            raise ValueError(
                "dry_run is for mode=self_train and mode=train; leave it out."
            )
        stage = kinds[self.config.mode](self.config)
        stage.validate()
        self.experiment = stage.experiment

    def run(self) -> None:
        experiment = self.experiment
        print(_images(experiment))
        estimates = [
            _estimate(dataclasses.replace(experiment, config=config), name)
            for name, config in _trainings(experiment)
        ]
        print(_table(estimates))
        print(_totals(experiment, estimates))


def _trainings(
    experiment: Experiment,
) -> Iterable[tuple[str, ExperimentConfig]]:
    config = experiment.config
    if config.mode == "train":
        yield "the model", config
        return
    plan = generations.plan(config, experiment.data.labeled.num_images)
    if config.self_training.teacher_run_dir is not None:
        plan = plan[1:]  # The first teacher is there already.
    for each in (each for g in plan for each in g.trainings):
        yield each.name, each.settings


def _images(experiment: Experiment) -> str:
    """How many images there are of each class, and what was held out."""
    data, number = experiment.data, experiment.data.task.num_classes
    names = data.class_names or [*map(str, range(number))]
    parts = {"train": data.labeled, "test": data.test}
    if experiment.validation is not None:
        parts["validation"] = experiment.validation
    counts = [_counts(source, number) for source in parts.values()]
    rows = [["class", *parts]]
    columns = zip(names, *counts, strict=True)
    rows += [[name, *map(str, found)] for name, *found in columns]
    rows.append(["all", *(str(found.sum()) for found in counts)])
    unlabeled = data.unlabeled.num_images if data.unlabeled else 0
    lines = [tables.aligned(rows), f"{unlabeled:,} unlabelled images."]
    return "\n".join([*lines, *data.notes])


def _counts(source: ImageSource, num_classes: int) -> np.ndarray:
    return np.bincount(source.labels(), minlength=num_classes)


def _estimate(experiment: Experiment, name: str) -> _Estimate:
    """Measures some steps of this network, on labelled images alone."""
    config = experiment.config
    settings = config.train
    images = settings.train_batch_size + settings.unlabeled_batch_size
    steps = settings.total_steps(experiment.data.labeled.num_images)
    measured = dataclasses.replace(
        settings, method="supervised", unlabel_ratio=0.0, init_weights=None
    )
    with tempfile.TemporaryDirectory() as directory:
        own = dataclasses.replace(
            experiment,
            config=dataclasses.replace(
                config, train=measured, model_dir=directory
            ),
        )
        run = train.training_run(own, config.seed, name, Unlabeled())
        seconds = training.seconds_per_step(run)
    return _Estimate(
        name,
        config.model.model_name,
        models.input_side(own.model),
        images,
        steps,
        settings.train_batch_size / seconds,
        models.build_model(own.model).count_params(),
    )


def _table(estimates: Sequence[_Estimate]) -> str:
    header = ["training", "model", "side", "images a step", "steps"]
    rows = [[*header, "images/s", "minutes"]]
    for each in estimates:
        numbers = (each.side, each.images, each.steps)
        rows.append(
            [
                each.name,
                each.model,
                *map(str, numbers),
                f"{each.speed:.0f}",
                f"{each.seconds / 60:.1f}",
            ]
        )
    return tables.aligned(rows)


def _totals(experiment: Experiment, estimates: Sequence[_Estimate]) -> str:
    """Time and disk in all: trainings, checkpoints and pseudo labels."""
    config, data = experiment.config, experiment.data
    seconds = sum(each.seconds for each in estimates)
    kept = config.run.keep_checkpoint_max or 1
    size = sum(each.weights for each in estimates) * _BYTES_PER_WEIGHT
    size *= kept + 1  # and the best one
    students = config.self_training.num_iterations
    if config.mode == "self_train" and data.unlabeled is not None:
        number = data.unlabeled.num_images
        speed = _GRADIENTS_COST * estimates[0].speed
        seconds += students * number / speed
        size += students * pseudo_labels.sizes.of_predictions(
            number, data.task.num_classes
        )
    return (
        f"About {seconds / 60:,.0f} minutes on these devices, and "
        f"{size / 1e9:,.1f} GB beside the pseudo-labelled images."
    )
