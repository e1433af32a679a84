"""Settings of --mode=robustness."""

import dataclasses

from noisy_student.config.settings import Settings, setting

SUITES = ("corruptions", "perturbations", "natural", "adversarial")
# In the order of Hendrycks and Dietterich (arXiv 1903.12261).
CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
EXTRA_CORRUPTIONS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
SEVERITIES = (1, 2, 3, 4, 5)
PERTURBATIONS = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "snow",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
ATTACKS = ("fgsm", "pgd")


@dataclasses.dataclass(frozen=True)
class RobustnessConfig(Settings):
    """How --mode=robustness disturbs the test images."""

    suites: tuple[str, ...] = setting(
        ("corruptions", "perturbations", "adversarial"), choices=SUITES
    )
    """What is measured: corruptions (as ImageNet-C), perturbations (as
    ImageNet-P), natural (other test sets, see --natural_sets) and adversarial
    (FGSM and PGD)."""

    num_robustness_images: int | None = setting(None, above=0)
    """Only so many test images, evenly spread over all. Default: all. The sets
    of --natural_sets are always evaluated whole."""

    baseline_model_path: str | None = setting(None, none=("",))
    """A model whose errors and flip rates are the unit of the mean corruption
    error and the mean flip rate. Default: AlexNet's for ImageNet; with other
    images, the errors and flip probabilities themselves."""

    corruption_types: tuple[str, ...] = setting(
        CORRUPTIONS, choices=CORRUPTIONS + EXTRA_CORRUPTIONS
    )
    """Types of corruption. Default: the 15 that the mean is over."""

    severities: tuple[int, ...] = setting(SEVERITIES, at_least=1, at_most=5)
    """Severities of the corruptions."""

    corrupted_data_dir: str | None = setting(None, none=("",))
    """Directory with folders TYPE/SEVERITY/CLASS of corrupted test images, as
    ImageNet-C has them. Default: those of tensorflow-datasets for imagenet2012
    and cifar10 where they are prepared, else made on the fly."""

    perturbation_types: tuple[str, ...] = setting(
        PERTURBATIONS, choices=PERTURBATIONS
    )
    """Types of perturbation, whose strength grows from frame to frame."""

    perturbed_data_dir: str | None = setting(None, none=("",))
    """Directory with folders TYPE/CLASS/IMAGE of frames as image files.
    Default: frames are made of the test images."""

    num_frames: int = setting(31, at_least=2, at_most=1000)
    """Frames that are made of a test image."""

    natural_sets: tuple[str, ...] = setting(())
    """Test sets of --suites=natural: imagenet-a, imagenet-r, imagenet-v2,
    imagenet-sketch, cifar10.1, or a directory of class folders; see
    --natural_class_map."""

    natural_class_map: str | None = setting(None, none=("",))
    """JSON file with the class, a name or a number from 0 on, of each class
    folder of a directory in --natural_sets. Default: folders have the names of
    the task's classes."""

    attacks: tuple[str, ...] = setting(ATTACKS, choices=ATTACKS)
    """Attacks of --suites=adversarial, bounded in the L-infinity norm."""

    epsilons: tuple[float, ...] = setting((1, 2, 4, 8, 16), at_least=0)
    """Largest changes of a pixel, in units of 1/255 of its range."""

    pgd_steps: int = setting(10, at_least=1, at_most=10_000)
    """Steps of PGD."""

    pgd_step_size: float | None = setting(None, above=0)
    """Size of a step of PGD, in units of 1/255. Default: 2.5 epsilon by
    --pgd_steps."""
