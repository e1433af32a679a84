"""Puts the parts together: from settings and images to one stage's work.

Each function is a stage with explicit inputs and a finished artefact on disk.
`self_training.py` orders them; the modes `train`, `predict` and `eval` run
one alone.
"""

import dataclasses
import functools
import hashlib
import pathlib

import tensorflow as tf

from noisy_student import evaluation, methods, models, pseudo_labels
from noisy_student.config import ExperimentConfig, ModelConfig, TrainConfig
from noisy_student.data import decoding, pipelines, sources, views
from noisy_student.training import distribution, schedules, trainer


def model_for_task(
    config: ExperimentConfig, model: ModelConfig, data: sources.TaskData
) -> ModelConfig:
    """Fills in what the task decides: classes, normalisation, resolution."""
    return model.for_task(data.task, config.data.input_image_size)


def check_training(
    config: ExperimentConfig,
    model: ModelConfig,
    train: TrainConfig,
    data: sources.TaskData,
    strategy: tf.distribute.Strategy,
) -> None:
    """Refuses what would fail only after hours; costs nothing.

    Raises:
        ValueError: the model cannot take the images, the method lacks
            unlabelled images, the batch does not fit the replicas, or the
            schedule not the steps.
    """
    models.check_model(
        model_for_task(config, model, data), strategy.num_replicas_in_sync
    )
    methods.make_method(train)
    if train.unlabel_ratio and not unlabeled_batch_size(train):
        raise ValueError(
            f"unlabel_ratio={train.unlabel_ratio} of train_batch_size="
            f"{train.train_batch_size} is less than one image."
        )
    num_labeled = data.labeled.num_images
    schedules.learning_rate(train, num_labeled, train.total_steps(num_labeled))
    for name, size in (
        ("train_batch_size", train.train_batch_size),
        ("train_batch_size x unlabel_ratio", unlabeled_batch_size(train)),
        ("eval_batch_size", config.run.eval_batch_size),
    ):
        distribution.check_batch_size(name, size, strategy)


def unlabeled_batch_size(train: TrainConfig) -> int:
    """Unlabelled images a step, over all replicas."""
    return round(train.train_batch_size * train.unlabel_ratio)


def train_model(
    config: ExperimentConfig,
    data: sources.TaskData,
    directory: pathlib.Path,
    model: ModelConfig,
    train: TrainConfig,
    pseudo_label_dir: pathlib.Path | None = None,
    seed: int = 0,
    description: str = "train",
) -> dict:
    """Trains a model in a run directory, from wherever it stopped.

    Args:
        config: of the experiment.
        data: its images.
        directory: of this model.
        model: which one, `model_for_task` applied.
        train: its optimisation; `method` says where targets come from.
        pseudo_label_dir: what `pseudo_labels.filter_and_balance` wrote; None
            for methods that need none.
        seed: of initial weights, order and noise.
        description: of the progress bar.

    Returns:
        The last evaluation; see `trainer.train`.
    """
    settings = trainer.RunSettings(
        directory=directory,
        model=model,
        train=train,
        run=config.run,
        total_steps=train.total_steps(data.labeled.num_images),
        seed=seed,
        description=description,
    )
    method = methods.make_method(train)

    noised = pipelines.NoisedBatches(
        _format(config, data, models.input_side(model)),
        config.noise,
        train.train_batch_size,
        seed,
        with_teacher="teacher_image" in method.batch_keys,
        input=config.input_pipeline,
    )
    make_batches = functools.partial(
        _training_batches, noised, method, data, train, pseudo_label_dir
    )
    images = trainer.TrainingImages(
        batches=make_batches,
        num_labeled=data.labeled.num_images,
        test=_test_images(config, data, model),
        num_test=data.test.num_images,
    )
    record_paths = [*data.labeled.record_paths, *data.test.record_paths]
    if pseudo_label_dir is not None:
        record_paths += pseudo_labels.record_paths(pseudo_label_dir)
    with decoding.input_errors(record_paths):
        return trainer.train(settings, method, images)


def label_images(
    config: ExperimentConfig,
    data: sources.TaskData,
    teacher: pathlib.Path,
    files: pseudo_labels.PredictionFiles,
    parts: list[pseudo_labels.Part] | None = None,
) -> None:
    """Predicts the unlabelled images with a teacher from a `.keras` file.

    Args:
        config: of the experiment.
        data: its images; `unlabeled` must be there.
        teacher: path of the model.
        files: where the predictions go.
        parts: those to do, None is all; finished ones are passed over.

    Raises:
        ValueError: finished parts are of other images or another teacher.
    """
    made_from = {
        "images": data.identity,
        "teacher": teacher_digest(teacher),
    }
    files.check_made_from(made_from)
    missing = [
        part for part in files.missing() if parts is None or part in parts
    ]
    if not missing:
        return
    model = models.load_model(teacher)
    image_format = _format(config, data, model.input_shape[1])
    warnings = decoding.SkipWarnings()

    def batches(source: sources.ImageSource) -> tf.data.Dataset:
        return pipelines.plain_images(
            source,
            image_format,
            config.run.eval_batch_size,
            warnings=warnings,
            input_config=config.input_pipeline,
        )

    unlabeled = data.require_unlabeled()
    with decoding.input_errors(unlabeled.record_paths):
        pseudo_labels.predict(
            model, unlabeled, batches, files, missing, made_from
        )


def teacher_digest(path: pathlib.Path) -> str:
    """Tells a teacher from others."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def evaluate_model(
    config: ExperimentConfig, data: sources.TaskData, path: pathlib.Path
) -> evaluation.Accuracy:
    """Evaluates a `.keras` file on the test images."""
    model = models.load_model(path)
    dataset = pipelines.plain_images(
        data.test,
        _format(config, data, model.input_shape[1]),
        config.run.eval_batch_size,
        input_config=config.input_pipeline,
    )
    with decoding.input_errors(data.test.record_paths):
        return evaluation.evaluate(model, dataset, data.test.num_images)


def _training_batches(
    batches: pipelines.NoisedBatches,
    method: methods.Method,
    data: sources.TaskData,
    train: TrainConfig,
    pseudo_label_dir: pathlib.Path | None,
    start_step: int,
) -> tf.data.Dataset:
    """Labelled and, where there are pseudo labels, unlabelled batches."""
    batches = dataclasses.replace(batches, start_step=start_step)
    dataset = pipelines.labeled_images(data.labeled, batches)
    if pseudo_label_dir is not None:
        unlabeled = pipelines.pseudo_labeled_images(
            pseudo_labels.record_paths(pseudo_label_dir),
            pseudo_labels.PseudoLabelStats.load(pseudo_label_dir).records,
            data.task.num_classes,
            dataclasses.replace(
                batches, batch_size=unlabeled_batch_size(train)
            ),
        )
        dataset = tf.data.Dataset.zip(dataset, unlabeled).map(
            lambda one, other: one | other
        )
    # Besides choosing keys, a map between batching and distribution makes the
    # strategy divide every tensor of the batch by itself; it could else take
    # the labelled batch size for the unlabelled one's.
    return dataset.map(
        lambda batch: {key: batch[key] for key in method.batch_keys}
    )


def _test_images(
    config: ExperimentConfig, data: sources.TaskData, model: ModelConfig
) -> tf.data.Dataset:
    image_format = _format(config, data, models.input_side(model))
    return pipelines.plain_images(
        data.test,
        image_format,
        config.run.eval_batch_size,
        input_config=config.input_pipeline,
    )


def _format(
    config: ExperimentConfig, data: sources.TaskData, side: int
) -> views.ImageFormat:
    return views.ImageFormat.of(data.task, side, config.noise)
