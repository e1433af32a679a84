"""Settings of the teacher's labels and of the outer loop."""

import dataclasses
from typing import Any

from noisy_student.config.checks import require, require_positive
from noisy_student.config.model import ModelConfig


@dataclasses.dataclass(frozen=True)
class PseudoLabelConfig:
    """Filtering and balancing of the teacher's labels.

    Attributes:
        num_image: images a class after balancing.
        min_threshold: least probability of a kept image, in [0, 1].
        max_prob: greatest probability of a kept image.
        upsample: whether scarce classes are repeated up to `num_image`.
        use_all: keep one copy of every image, filter nothing.
        use_top: whether a class with more is cut at the probability that
            leaves `num_image` or a little more, rather than thinned evenly.
        num_shards: parts that the unlabelled images are divided into.
        total_replicas: workers that share each shard.
        samples_per_class: about so many kept images of each class are saved
            as files, to look at.
    """

    num_image: int = 1300
    min_threshold: float = 0.0
    max_prob: float = 2.0
    upsample: bool = True
    use_all: bool = False
    use_top: bool = True
    num_shards: int = 1
    total_replicas: int = 1
    samples_per_class: int = 5

    def __post_init__(self) -> None:
        require_positive(self, "num_image", "num_shards", "total_replicas")
        samples = self.samples_per_class
        require(samples >= 0, "samples_per_class", "at least 0", samples)
        least = self.min_threshold
        require(0 <= least <= 1, "min_threshold", "in [0, 1]", least)
        require(
            any(least <= edge / 100 < self.max_prob for edge in range(101)),
            "max_prob",
            f"a hundredth or more above min_threshold={least}",
            self.max_prob,
        )


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Which model predicts or is evaluated, and where predictions go.

    Attributes:
        predict_ckpt_path: a `.keras` file; None is the run directory's.
        output_dir: of the probabilities.
        info_dir: of the counts; None is `output_dir`/info.
        shard_id: shards to predict or to filter; empty is all.
        worker_id: which of `total_replicas` workers predicts; None is all.
        reassign_label: label the images in `unlabel_data_dir` anew, and write
            records of them in place of predictions.
    """

    predict_ckpt_path: str | None = None
    output_dir: str | None = None
    info_dir: str | None = None
    shard_id: tuple[int, ...] = ()
    worker_id: int | None = None
    reassign_label: bool = False


@dataclasses.dataclass(frozen=True)
class SelfTrainingConfig:
    """The outer loop.

    Attributes:
        num_iterations: students after the first teacher.
        student_model_names, student_width_coefficients,
            student_depth_coefficients: one value a student, or one for all;
            empty is the first teacher's.
    """

    num_iterations: int = 3
    student_model_names: tuple[str, ...] = ()
    student_width_coefficients: tuple[float, ...] = ()
    student_depth_coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        count = self.num_iterations
        require(count > 0, "num_iterations", "above 0", count)
        for name in (
            "student_model_names",
            "student_width_coefficients",
            "student_depth_coefficients",
        ):
            values = getattr(self, name)
            require(
                len(values) in (0, 1, count),
                name,
                f"one value or {count} (num_iterations)",
                ",".join(map(str, values)),
            )

    def student_model(self, model: ModelConfig, iteration: int) -> ModelConfig:
        """The model of a student.

        A student with a name of its own has that model's own scaling and
        dropout, unless the students' coefficients say otherwise: the
        teacher's overrides would make it the teacher's network again.

        Args:
            model: the first teacher's.
            iteration: 1 for the first student.
        """
        overrides: dict[str, tuple] = {
            "model_name": self.student_model_names,
            "width_coefficient": self.student_width_coefficients,
            "depth_coefficient": self.student_depth_coefficients,
        }
        own = ("width_coefficient", "depth_coefficient", "dropout_rate")
        changes: dict[str, Any] = (
            dict.fromkeys(own) if self.student_model_names else {}
        )
        changes |= {
            name: values[min(iteration, len(values)) - 1]
            for name, values in overrides.items()
            if values
        }
        return dataclasses.replace(model, **changes)
