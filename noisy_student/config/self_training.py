"""Settings of the teacher's labels and of the outer loop."""

import dataclasses

from noisy_student.config.checks import require
from noisy_student.config.model import NOTHING_FROZEN
from noisy_student.config.paths import absolute
from noisy_student.config.settings import Settings, setting

NEXT_TEACHERS = ("newest", "best")
KEPT_PSEUDO_LABELS = ("all", "last")
FRESH, PRETRAINED_TOO, TEACHERS = "fresh", "pretrained", "teacher"
STUDENT_INITS = (FRESH, PRETRAINED_TOO, TEACHERS)
NO_FINE_TUNING = 0


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

    only_use_num_shards: int | None = setting(None, above=0, none=(-1,))
    """Use the first so many shards, and leave out the others. Default: all."""

    total_replicas: int = setting(1, at_least=1, at_most=1_000_000)
    """Workers that share each shard."""

    samples_per_class: int = setting(5, at_least=0)
    """About how many kept images of each class are saved as image files, to
    look at."""

    max_side: int | None = setting(None, above=0)
    """Write larger image files smaller, to so many pixels on the longer side:
    a copy of a photograph of 12 megapixels takes some MB. Default: they are
    written as they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
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

    output: str | None = setting(None, none=("",))
    """CSV file for the labels of --image_dir: path, class, probability, and
    the five best classes of each image."""

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
    """The outer loop: how many students, what is each one's, who teaches."""

    num_iterations: int = setting(3, at_least=1, at_most=1000)
    """Students after the first teacher."""

    student_init: str = setting(FRESH, choices=STUDENT_INITS)
    """The weights that students start from. fresh: random ones, as in the
    paper; pretrained: those of --init_weights, of each student's own model;
    teacher: its teacher's, where all have the same model."""

    teacher_run_dir: str | None = setting(None, none=("",))
    """Directory of another run of self-training, whose first teacher is taken
    over rather than trained again. The settings that decide on it must be the
    same. Default: none, the first teacher is trained."""

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

    student_dropout_rates: tuple[float, ...] = setting((), at_least=0, below=1)
    """One --dropout_rate per student, or one for all. Default: that of
    --student_model_names, or else the first teacher's."""

    student_stochastic_depth_rates: tuple[float, ...] = setting(
        (), at_least=0, below=1
    )
    """One --stochastic_depth_rate per student, or one for all. Default:
    --stochastic_depth_rate."""

    student_input_image_sizes: tuple[int, ...] = setting((), above=0)
    """One --input_image_size per student, or one for all. Default:
    --input_image_size."""

    student_randaug_mags: tuple[float, ...] = setting(
        (), at_least=0, at_most=30
    )
    """One --randaug_mag per student, or one for all. Default:
    --randaug_mag."""

    student_unlabel_ratios: tuple[float, ...] = setting((), above=0)
    """One --unlabel_ratio per student, or one for all. Default:
    --unlabel_ratio."""

    student_train_batch_sizes: tuple[int, ...] = setting((), above=0)
    """One --train_batch_size per student, or one for all. Default:
    --train_batch_size."""

    student_train_steps: tuple[int, ...] = setting((), above=0)
    """One --train_steps per student, or one for all. Default:
    --train_steps."""

    finetune_input_image_sizes: tuple[int, ...] = setting(
        (), above=0, special={NO_FINE_TUNING: "none"}
    )
    """Resolution at which each student is fine-tuned after its training, on
    labelled images without noise; one per student, or one for all. What comes
    out teaches the next. Default: no fine-tuning."""

    finetune_steps: int | None = setting(None, above=0)
    """Steps of a fine-tuning, before --train_ratio. Default: 1.5 epochs of the
    labelled images, or all steps of the training where these are fewer."""

    finetune_base_lr: float | None = setting(None, above=0)
    """Learning rate of a fine-tuning at 256 labelled images per step, without
    a warm-up. Default: the end of the training's schedule once more."""

    finetune_fix_layer_num: int = setting(
        NOTHING_FROZEN, at_least=0, special={NOTHING_FROZEN: "nothing"}
    )
    """--fix_layer_num of a fine-tuning; the other layers learn."""

    finetune_batch_size: int | None = setting(None, above=0)
    """Labelled images per step of a fine-tuning. Default: the student's
    --train_batch_size."""

    finetune_unlabel_ratio: float = setting(0.0, at_least=0)
    """--unlabel_ratio of a fine-tuning; above 0 it also sees the student's
    pseudo-labelled images, under their noise."""

    filter_once: bool = setting(False)
    """Choose and balance the pseudo-labelled images once, by the first
    teacher's predictions; later teachers only label them again. Else every
    teacher labels and chooses from all images."""

    next_teacher: str | None = setting(
        None, original="newest", choices=NEXT_TEACHERS
    )
    """Which model teaches the next student, and at last is the run's: the
    newest, or the one of all so far that is best on the validation images.
    Default: best where there are some."""

    early_stopping_students: int | None = setting(None, original=0, at_least=0)
    """End self-training after so many students in a row that are no better on
    the validation images than the best model before them; 0: never. Default: 1
    where there are validation images."""

    keep_pseudo_labels: str = setting("all", choices=KEPT_PSEUDO_LABELS)
    """all: of every generation; last: predictions and records of earlier
    generations are removed when no later one needs them."""

    evaluate_robustness: bool = setting(False)
    """Measure each generation, too, on 500 test images (or
    --num_robustness_images) corrupted at severity 3 and under FGSM and PGD
    with epsilon 4, and on 11 frames of 100 perturbed ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._resolve(teacher_run_dir=absolute(self.teacher_run_dir))
        count = self.num_iterations
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            if isinstance(values, tuple):
                require(
                    len(values) in (0, 1, count),
                    field.name,
                    f"one value or {count} (num_iterations)",
                    ",".join(map(str, values)),
                )
