"""tools/report.py, and the end of self-training: `report.html` of a run."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from absl import logging
from etils import epath

from noisy_student.config import DataConfig, ExperimentConfig, RunConfig
from noisy_student.config.paths import to_path
from noisy_student.config.tools import ReportSettings
from noisy_student.files import remote, run_directory
from noisy_student.pseudo_labels import PseudoLabelStats, counts
from noisy_student.pseudo_labels.stats import STATS_FILE
from noisy_student.report import measured, page
from noisy_student.report.labels import Example, Labels
from noisy_student.report.run import Run
from noisy_student.stages import examples, generations
from noisy_student.stages.experiment import Experiment, Stage
from noisy_student.training import distribution


@dataclasses.dataclass(eq=False)
class Report(Stage):
    """Writes the report of a run, and perhaps its chart for elsewhere.

    Of the experiment's settings only `model_dir` and `tfds_data_dir` count;
    the others are those of the run.

    Attributes:
        settings: Those of the report alone.
    """

    settings: ReportSettings

    def validate(self) -> None:
        self.found = Run.read(self.config.directory)
        tfds_data_dir = self.config.data.tfds_data_dir
        if tfds_data_dir is not None:
            config = self.found.config
            data = dataclasses.replace(config.data, tfds_data_dir=tfds_data_dir)
            config = dataclasses.replace(config, data=data)
            self.found = dataclasses.replace(self.found, config=config)
        self.labels = list(_labels(self.found))
        if self.settings.chart is not None and not self.found.generations:
            raise ValueError(
                f"{self.found.directory} has no generation to draw in a chart."
            )

    def run(self) -> None:
        _write(
            self.found,
            self.labels,
            lambda: _open(self.found.config),
            self.settings.images_per_class,
        )
        show(self.found.directory)
        if self.settings.chart is not None:
            page.write_chart(self.found, to_path(self.settings.chart))


def write_report(
    directory: str | epath.Path,
    images_per_class: int = ReportSettings().images_per_class,
) -> epath.Path:
    """Writes `report.html` of a run, finished or not.

    Args:
        directory: The run directory of mode=self_train or mode=train.
        images_per_class: Unlabelled images of each class that are shown, kept
            ones and as many rejected ones; 0 opens no images.

    Returns:
        The file.

    Raises:
        ValueError: There is no such run.
        InputError: A file of the run is damaged, or the report cannot be
            written.
    """
    found = Run.read(to_path(directory))
    labels = list(_labels(found))
    return _write(found, labels, lambda: _open(found.config), images_per_class)


def write_at_end(experiment: Experiment) -> None:
    """Writes the report of a run that is finished, or else warns in a line.

    The run is whole without it, whatever goes wrong.
    """
    directory = experiment.config.directory
    try:
        number = ReportSettings().images_per_class
        found = Run.read(directory)
        labels = list(_labels(found))
        _write(found, labels, lambda: experiment, number)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        logging.warning(
            "There is no %s: %s", directory / page.REPORT_FILE, reason
        )
    else:
        show(directory)


def show(directory: epath.Path) -> None:
    """Prints where the report of a run is, if it has one."""
    path = directory / page.REPORT_FILE
    if path.exists():
        print(f"The report is {path}.")


def _write(
    found: Run,
    labels: list[Labels],
    open_images: Callable[[], Experiment],
    per_class: int,
) -> epath.Path:
    """Writes `report.html` of a run, finished or not.

    Args:
        found: What the run left.
        labels: The pseudo labels of its students.
        open_images: Opens its images; called where some are shown.
        per_class: Images of each class that are shown, of each kind.

    Raises:
        InputError: The report cannot be written.
    """
    if labels and per_class:
        newest = _with_examples(found, labels[-1], open_images, per_class)
        labels = [*labels[:-1], newest]
    return page.write(found, labels)


def _labels(found: Run) -> Iterator[Labels]:
    """The pseudo labels of each student whose images are chosen.

    Raises:
        InputError: What filtering left is damaged.
    """
    number = 1
    while True:
        directory = _directory(found, number)
        if not (directory / STATS_FILE).exists():
            return
        try:
            stats = PseudoLabelStats.load(directory)
            shards = stats.made_from["num_shards"]
            histogram = counts.read_all(directory, shards)
        except (ValueError, KeyError, TypeError) as error:
            raise measured.damaged(directory, error) from error
        yield _labels_of(number, stats, histogram)
        number += 1


def _labels_of(
    student: int, stats: PseudoLabelStats, histogram: np.ndarray | None
) -> Labels:
    return Labels(
        generation=student,
        predicted=stats.predicted,
        above=stats.above_threshold,
        kept=stats.kept_per_class,
        records=stats.records_per_class,
        thresholds=stats.threshold,
        min_threshold=stats.made_from["min_threshold"],
        accuracy=stats.accuracy,
        undecodable=stats.undecodable,
        seconds=stats.seconds,
        histogram=histogram,
    )


def _directory(found: Run, student: int) -> epath.Path:
    own = run_directory.generation_directory(found.directory, student)
    return own / "pseudo_labels"


def _with_examples(
    found: Run,
    labels: Labels,
    open_images: Callable[[], Experiment],
    per_class: int,
) -> Labels:
    """Adds images; the kept ones that filtering saved where no others are."""
    student = labels.generation
    try:
        experiment = open_images()
        plan = generations.plan(
            experiment.config, experiment.data.labeled.num_images
        )
        shown = examples.read(experiment, plan, student, per_class)
        missing = ""
    except (ValueError, OSError, tf.errors.OpError) as error:
        shown = list(_samples(_directory(found, student), per_class))
        missing = (
            "The rejected images are not shown, since they cannot be read "
            f"again: {error}"
        )
    return dataclasses.replace(labels, examples=shown, missing=missing)


def _samples(directory: epath.Path, per_class: int) -> Iterator[Example]:
    """The kept images that filtering has left to look at."""
    for folder in remote.glob(directory / "samples", "*"):
        for path in sorted(folder.iterdir())[:per_class]:
            probability = float(path.stem.rpartition("_")[2])
            label = int(folder.name)
            yield Example(path.read_bytes(), label, probability, -1, True)


def _open(config: ExperimentConfig) -> Experiment:
    """Opens the images of a run; downloads nothing.

    Raises:
        ValueError: They are not there.
    """
    _check_prepared(config.data)
    own = dataclasses.replace(config, run=RunConfig("one_device"))
    return Experiment.open(own, distribution.make_devices(own.run))


def _check_prepared(data: DataConfig) -> None:
    """Refuses a data set of tensorflow-datasets that would be downloaded."""
    if data.label_data_dir is None and data.task_name != "digits":
        from noisy_student.data.tfds import NamedImages  # slow to import

        NamedImages(data.task_name, data.tfds_data_dir, download=False)
