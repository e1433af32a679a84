"""tools/audit.py: what a teacher's labels were worth to its student."""

import dataclasses
import functools
import json
from collections.abc import Sequence

from etils import epath

from noisy_student import models, progress, pseudo_labels, report
from noisy_student.config import ExperimentConfig
from noisy_student.config.tools import AuditSettings
from noisy_student.data import decoding, plain, sources
from noisy_student.evaluation import Answers
from noisy_student.evaluation.label_quality import (
    StudentAnswers,
    Tally,
    TeacherLabels,
)
from noisy_student.files import run_directory
from noisy_student.pseudo_labels import kept, stats
from noisy_student.report import audit
from noisy_student.stages import disputed, generations, labelled, predict
from noisy_student.stages.experiment import Experiment, Stage
from noisy_student.training import distribution

AUDIT_DIR = "audit"


@dataclasses.dataclass(eq=False)
class Audit(Stage):
    """Audits the pseudo labels that a student of self-training learned from.

    Of the experiment's settings only `model_dir`, `tfds_data_dir`,
    `unlabel_truth` and `run` count; the others are those of the run.

    Attributes:
        settings: Those of the audit alone.
    """

    settings: AuditSettings

    def validate(self) -> None:
        config = _recorded(self.config)
        student, teacher = _find(config, self.settings.generation)
        devices = predict.local_devices(config, "an audit is one process")
        distribution.check_batch_size(
            "eval_batch_size",
            config.run.eval_batch_size,
            devices.strategy.num_replicas_in_sync,
        )
        opened = Experiment.open(config, devices)
        plan = generations.plan(config, opened.data.labeled.num_images)
        self.student, self.teacher = plan[student], plan[teacher]
        for generation in (self.student, self.teacher):
            models.resolve_model_path(generation.model)
        self.experiment = labelled.that_labelled(opened, plan, student)
        self.job = labelled.filter_job(self.experiment, self.student)
        labelling = self.student.trainings[0]
        identity = predict.teacher_identity(
            self.teacher.model, labelling.config.noise, labelling.seed
        )
        self.job.predictions.check_made_from({"teacher": identity})
        self.validation = opened.validation

    def run(self) -> None:
        unlabeled = self.experiment.data.require_unlabeled()
        directory = self.experiment.config.directory / AUDIT_DIR
        directory /= self.student.labels.parent.name
        names = self._class_names()
        with (
            self.experiment.devices.strategy.scope(),
            decoding.input_errors(unlabeled.record_paths),
        ):
            predicted, undecodable, shares = self._read_labels(unlabeled)
            answers = self._ask_student(shares)
            disputed.save(
                directory,
                shares,
                answers,
                self.settings.num_disputed,
                self.student.number,
                names,
            )
        found = audit.Audit.of(
            TeacherLabels.joined([share.given for share in shares]),
            answers,
            names,
            generation=self.student.number,
            teacher=self.teacher.number,
            undecodable=undecodable,
            predicted=predicted,
            calibration=self._validate_teacher(),
        )
        audit.save(directory, found)
        _print(found, directory)

    def _class_names(self) -> Sequence[str]:
        data = self.experiment.data
        return data.class_names or [*map(str, range(data.task.num_classes))]

    def _read_labels(
        self, unlabeled: sources.ImageSource
    ) -> tuple[Tally, int, list[kept.ShareLabels]]:
        """All images counted, how many are undecodable, and the kept ones."""
        num_classes = self.experiment.data.task.num_classes
        tallies, undecodable, shares = [], 0, []
        for share in kept.read_labels(self.job, unlabeled):
            decoded = share.given.confidences > 0
            tallies.append(Tally.of(share.given.where(decoded), num_classes))
            undecodable += int((~decoded).sum())
            shares.append(share.where(share.given.copies > 0))
        of_kept = [Tally.of(share.given, num_classes) for share in shares]
        kept.check_kept(
            self.job,
            stats.PseudoLabelStats.load(self.student.labels),
            Tally.total(of_kept).by_class.images,
        )
        return Tally.total(tallies), undecodable, shares

    def _ask_student(
        self, shares: Sequence[kept.ShareLabels]
    ) -> StudentAnswers:
        """The student's answers for the kept images, of all shares in order."""
        model = models.load_model(self.student.model)
        batches = functools.partial(
            plain.plain_images,
            image_format=self.experiment.image_format(model.input_shape[1]),
            input_config=self.experiment.config.input_pipeline,
        )
        predictor = pseudo_labels.Predictor(
            model, batches, self.experiment.config.run.eval_batch_size
        )
        answers = []
        total = sum(share.images.num_images for share in shares)
        with progress.bar(total, "ask the student", "image") as bar:
            for share in shares:
                first = 0
                for rows in predictor(share.images):
                    given = share.given.labels[first : first + len(rows)]
                    answers.append(StudentAnswers.of(rows, given))
                    first += len(rows)
                    bar.update(len(rows))
        return StudentAnswers.joined(answers)

    def _validate_teacher(self) -> Answers | None:
        """The teacher's answers on validation images, where there are any."""
        if self.validation is None:
            print(
                "There are no validation images, so that the teacher's "
                "calibration is left out."
            )
            return None
        with (
            self.experiment.devices.strategy.scope(),
            decoding.input_errors(self.validation.record_paths),
        ):
            model = models.load_model(self.teacher.model)
            return self.experiment.answers_on(
                self.validation, model.input_shape[1], "validate the teacher"
            ).answers(model)


def _recorded(config: ExperimentConfig) -> ExperimentConfig:
    """The settings of the run that is named, on this process's devices.

    Raises:
        ValueError: There is no run, or none of self-training.
    """
    directory = config.directory
    recorded = run_directory.read_config(directory)
    if recorded.mode != "self_train":
        raise ValueError(
            f"The run in {directory} has no pseudo labels of its own: it is of "
            f"mode={recorded.mode}. Name the model_dir of mode=self_train."
        )
    names = ("tfds_data_dir", "unlabel_truth")
    given = {name: getattr(config.data, name) for name in names}
    data = dataclasses.replace(
        recorded.data, **{k: v for k, v in given.items() if v is not None}
    )
    return dataclasses.replace(
        recorded, model_dir=str(directory), data=data, run=config.run
    )


def _find(config: ExperimentConfig, asked: int | None) -> tuple[int, int]:
    """The numbers of the student whose labels are audited, and its teacher.

    Raises:
        ValueError: There is no such student, or its predictions are gone.
    """
    rows = report.load_results(config)["generations"]
    newest = len(rows) - 1
    if newest < 1:
        raise ValueError(
            f"No student of {config.directory} is finished, so that there are "
            "no pseudo labels to audit; go on with mode=self_train."
        )
    student = newest if asked is None else asked
    if student > newest:
        raise ValueError(
            f"generation must be from 1 to {newest}, the students of "
            f"{config.directory} that are finished; got {student}."
        )
    return student, rows[student]["teacher"]


def _print(found: audit.Audit, directory: epath.Path) -> None:
    """Prints the table, and all numbers as JSON."""
    print(
        f"Pseudo labels that generation {found.teacher} gave to "
        f"{found.generation}, the classes that this disputes most first:"
    )
    print(audit.format_audit(found))
    print(json.dumps(found.summary() | {"directory": str(directory)}))
