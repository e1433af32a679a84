"""Settings of the teacher's labels and of the outer loop."""

import dataclasses
from typing import Any

from noisy_student.config.checks import require
from noisy_student.config.model import ModelConfig
from noisy_student.config.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class PseudoLabelConfig(Settings):
    """How the teacher's labels are filtered and balanced."""

    num_image: int = setting(1300, above=0)
    """Pseudo-labelled images of each class after balancing."""

    min_threshold: float = setting(0.0, at_least=0, at_most=1)
    """Least probability of a kept image, rounded up to a hundredth."""

    max_prob: float = setting(2.0)
    """Greatest probability of a kept image; the default keeps even those that
    rounding puts above 1."""

    upsample: bool = setting(True)
    """Whether scarce classes are repeated up to --num_image."""

    use_all: bool = setting(False)
    """Keep one copy of every image; neither filter nor balance."""

    use_top: bool = setting(True)
    """Whether a class with more than --num_image images above --min_threshold
    keeps the most probable ones, by a higher threshold that leaves --num_image
    or a few more; else it is thinned evenly."""

    num_shards: int = setting(1, original=128, at_least=1, at_most=1_000_000)
    """Shards that the unlabelled images are divided into. If it is the number
    of their files, or a divisor of it, each shard reads only its own files."""

    only_use_num_shards: int | None = setting(
        None, above=0, special={-1: "all"}
    )
    """Use the first so many shards, and leave out the others. Default: all."""

    total_replicas: int = setting(1, at_least=1, at_most=1_000_000)
    """Workers that share each shard."""

    samples_per_class: int = setting(5, at_least=0)
    """About how many kept images of each class are saved as image files, to
    look at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.only_use_num_shards == -1:
            self._resolve(only_use_num_shards=None)
        used = self.only_use_num_shards
        require(
            used is None or used <= self.num_shards,
            "only_use_num_shards",
            f"at most num_shards={self.num_shards}",
            used,
        )
        least = self.min_threshold
        require(
            any(least <= edge / 100 < self.max_prob for edge in range(101)),
            "max_prob",
            f"a hundredth or more above min_threshold={least}",
            self.max_prob,
        )


@dataclasses.dataclass(frozen=True)
class PredictConfig(Settings):
    """Which model predicts or is evaluated, and where predictions go."""

    predict_ckpt_path: str | None = setting(None, none=("",))
    """The model that --mode=predict and --mode=eval use: a .keras file, a run
    directory, or a checkpoint of the original (which is the --model_name).
    Default: that of --model_dir."""

    output_dir: str | None = setting(None, none=("",))
    """Directory for the probabilities of --mode=predict, and for what a tool
    makes."""

    info_dir: str | None = setting(None, none=("",))
    """Directory in which --mode=predict notes how many images each finished
    shard has. Default: info in --output_dir."""

    shard_id: tuple[int, ...] = setting((), at_least=0)
    """Shards to predict or to filter, from 0, e.g. 0,1,2. Default: all of
    --num_shards."""

    worker_id: int | None = setting(None)
    """Which of --total_replicas workers --mode=predict is, from 0. Default:
    all of them, one after the other."""

    reassign_label: bool = setting(False)
    """With --mode=predict: label the filtered images in --unlabel_data_dir
    anew, or with --file_prefix those in --label_data_dir; --output_dir gets
    records to train on, not predictions."""


@dataclasses.dataclass(frozen=True)
class SelfTrainingConfig(Settings):
    """The outer loop: how many students, and their models."""

    num_iterations: int = setting(3, at_least=1, at_most=1000)
    """Students after the first teacher."""

    student_model_names: tuple[str, ...] = setting(())
    """One model per student, each as large as the one before or larger, or one
    for all, with its own width, depth and dropout. Default: the first
    teacher's model, with its overrides."""

    student_width_coefficients: tuple[float, ...] = setting(
        (), above=0, at_most=100
    )
    """One --width_coefficient per student, or one for all. Default: that of
    --student_model_names, or else the first teacher's."""

    student_depth_coefficients: tuple[float, ...] = setting(
        (), above=0, at_most=100
    )
    """One --depth_coefficient per student, or one for all. Default: that of
    --student_model_names, or else the first teacher's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        count = self.num_iterations
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
