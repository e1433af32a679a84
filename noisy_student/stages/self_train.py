"""`--mode=self_train`: teacher -> predict -> select -> student -> again.

Algorithm 1 of Noisy Student (arXiv 1911.04252). Every stage leaves a finished
artefact in the generation's directory and is not run again where it is there,
so that the same command goes on after a kill.
"""

import dataclasses
from collections.abc import Sequence

from noisy_student import methods, models, report, training
from noisy_student.config import ExperimentConfig
from noisy_student.data import validation
from noisy_student.files import disk_space, run_directory, writing
from noisy_student.pseudo_labels import PseudoLabelStats
from noisy_student.stages import (
    first_teacher,
    generations,
    labels,
    predict,
    small_robustness,
    train,
)
from noisy_student.stages.experiment import Experiment, Stage, open_and_claim
from noisy_student.stages.generations import Generation, Training
from noisy_student.stages.reporting import write_at_end
from noisy_student.stages.training_input import Unlabeled


class SelfTrain(Stage):
    """The outer loop over generations."""

    def validate(self) -> None:
        settings = self.config.train
        if not methods.find(settings.method).needs_teacher:
            raise ValueError(
                "mode=self_train needs a method that learns from a teacher: "
                "set unlabel_ratio to 3, say, or use mode=train for "
                f"{settings.method}."
            )
        generations.check_settings(self.config)
        self.experiment = open_and_claim(self.config, _check)

    def run(self) -> None:
        with self.experiment.devices.watching_workers():
            results = self_train(self.experiment)
        if self.experiment.devices.is_chief:
            print(report.format_table(results))
            write_at_end(self.experiment)


def _check(experiment: Experiment) -> None:
    data, loop = experiment.data, experiment.config.self_training
    data.require_unlabeled()
    if experiment.validation is None:
        patience = loop.early_stopping_students
        for name, value in (
            ("next_teacher=best", loop.next_teacher == "best"),
            (f"early_stopping_students={patience}", bool(patience)),
        ):
            if value:
                raise ValueError(f"{name} {train.NEEDS_VALIDATION}")
    validation.check_apart(experiment.config.data)
    plan = generations.plan(experiment.config, data.labeled.num_images)
    for each in (each for g in plan for each in g.trainings):
        try:
            train.check_training(
                _with_settings(experiment, each.config),
                Unlabeled.open(experiment),
                start_exists=each.start is None,
            )
        except ValueError as error:
            raise ValueError(f"{each.name}: {error}") from error
    if loop.teacher_run_dir is not None:
        first_teacher.check(plan[0].trainings[0], loop.teacher_run_dir)
    _check_space(experiment, plan)
    if loop.evaluate_robustness:
        small_robustness.suites(experiment)


def _check_space(experiment: Experiment, plan: Sequence[Generation]) -> None:
    """Refuses a run whose predictions alone would not fit on the disk.

    What is kept of them is not known before, nor how many images are labelled
    again.
    """
    config, loop = experiment.config, experiment.config.self_training
    finished = len(report.load_results(config)["generations"])
    students = plan[max(finished, 1) :]
    if loop.filter_once:
        students = [each for each in students if each.number == 1]
    sizes = [
        predict.size_of_predictions(
            experiment.data, predict.label_files(config, student.labels)
        )
        for student in students
    ]
    # Those of earlier generations are removed before new ones are made.
    one_at_a_time = loop.keep_pseudo_labels == "last"
    needed = max(sizes, default=0) if one_at_a_time else sum(sizes)
    disk_space.check(config.directory, needed, "Predictions")


def self_train(experiment: Experiment) -> dict:
    """Trains a teacher and then one student after the other.

    Args:
        experiment: Its `data.unlabeled` must be there; every worker calls
            this alike.

    Returns:
        The results, as `results.json` has them.
    """
    config, devices = experiment.config, experiment.devices
    results = report.load_results(config)
    rows = results["generations"]
    plan = generations.plan(config, experiment.data.labeled.num_images)
    rule, patience = _choices(experiment)
    for generation in plan[len(rows) :]:
        if generations.no_longer_rise(rows, patience):
            break
        _claim(experiment, generation)
        teacher, stats, records = None, None, None
        if generation.number:
            teacher = plan[generations.next_teacher(rows, rule)]
            generation = generations.taught_by(generation, teacher)
            stats = _make_labels(experiment, plan, generation, teacher)
            records = generation.labels
        unlabeled = Unlabeled.open(experiment, records)
        metrics = [
            _train(experiment, training, unlabeled)
            for training in generation.trainings
        ]
        row = _result(experiment, generation, metrics, teacher, stats, rows)
        rows.append(row | _robustness(experiment, generation))
        chosen = generations.next_teacher(rows, rule)
        results["chosen_generation"] = chosen
        results["stopped_after"] = (
            patience if generations.no_longer_rise(rows, patience) else None
        )
        if devices.is_chief:
            model = config.directory / run_directory.MODEL_FILE
            writing.copy(plan[chosen].model, model)
            report.save_results(config, results)
    return results


def _choices(experiment: Experiment) -> tuple[str, int]:
    """Which model teaches, and after how many students without gain to end."""
    loop, validated = experiment.config.self_training, experiment.validation
    rule, patience = loop.next_teacher, loop.early_stopping_students
    if validated is None:
        return "newest", 0
    return rule or "best", 1 if patience is None else patience


def _with_settings(
    experiment: Experiment, settings: ExperimentConfig
) -> Experiment:
    return dataclasses.replace(experiment, config=settings)


def _claim(experiment: Experiment, generation: Generation) -> None:
    """Makes the run directories of a generation, or checks whose they are.

    With `teacher_run_dir`, the first teacher is copied into its own.
    """
    other = experiment.config.self_training.teacher_run_dir
    with experiment.devices.failing_together():
        if not experiment.devices.is_chief:
            return
        for training in generation.trainings:
            settings = training.settings
            run_directory.claim(settings.directory, settings)
        if other is not None and not generation.number:
            first_teacher.take_over(generation.trainings[0], other)


def _make_labels(
    experiment: Experiment,
    plan: Sequence[Generation],
    generation: Generation,
    teacher: Generation,
) -> PseudoLabelStats:
    """Labels images for a student; those of before may be removed."""
    training = generation.trainings[0]
    return labels.make_labels(
        _with_settings(experiment, training.config),
        teacher.model,
        generation.labels,
        training.seed,
        [student.labels for student in plan[1 : generation.number]],
    )


def _train(
    experiment: Experiment, training: Training, unlabeled: Unlabeled
) -> dict:
    """Trains or fine-tunes; returns the last line of its metrics."""
    own = _with_settings(experiment, training.config)
    return train.train_model(
        own, training.seed, training.description, unlabeled
    )


def _robustness(
    experiment: Experiment, generation: Generation
) -> dict[str, float]:
    """The small measurement of robustness, where it is asked for."""
    if not experiment.config.self_training.evaluate_robustness:
        return {}
    with experiment.devices.strategy.scope():
        model = models.load_model(generation.model)
        return small_robustness.scores(experiment, model)


def _result(
    experiment: Experiment,
    generation: Generation,
    metrics: Sequence[dict],
    teacher: Generation | None,
    stats: PseudoLabelStats | None,
    rows: Sequence[dict],
) -> dict:
    """A generation's entry in `results.json`."""
    kept, records = (stats.kept, stats.records) if stats else (0, 0)
    if experiment.config.self_training.filter_once and generation.number > 1:
        # Copies were labelled again one by one; the images are the same.
        kept = rows[-1]["pseudo_labels"]["kept"]
    seconds = sum(line["seconds"] for line in metrics)
    seconds += stats.seconds if stats else 0
    last = _with_settings(experiment, generation.trainings[-1].config)
    *earlier, final = map(report.metrics_of, metrics)
    return {
        "generation": generation.number,
        "role": "student" if generation.number else "teacher",
        "model_name": last.config.model.model_name,
        **final,
        "num_images": experiment.data.labeled.num_images + kept,
        "pseudo_labels": {
            "kept": kept,
            "records": records,
            "accuracy": stats.accuracy if stats else None,
        },
        "seconds": round(seconds, 1),
        "teacher": teacher.number if teacher else None,
        "input_image_size": models.input_side(last.model),
        "before_fine_tuning": earlier[0] if earlier else None,
        "validation": training.kept_validation(
            last.config.directory, last.config.train.keep != "last"
        ),
    }
