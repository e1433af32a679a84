"""Settings of what is evaluated, and how."""

import dataclasses

from noisy_student.config.settings import Settings, setting

INPUT_RANGES = {
    "0..255": (0.0, 255.0),
    "0..1": (0.0, 1.0),
    "-1..1": (-1.0, 1.0),
}
OUTPUTS = ("logits", "probabilities")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Settings):
    """Models made elsewhere, and views of test images."""

    num_test_time_augmentations: int = setting(1, at_least=1, at_most=18)
    """Views of each test image that --mode=eval averages over: the image,
    its mirror image where the task allows it, and both shifted by a
    sixteenth of the side."""

    model_path: str | None = setting(None, none=("",))
    """A .keras file or a SavedModel that this program did not make, to be
    evaluated in the place of --predict_ckpt_path."""

    model_input_range: str = setting("0..255", choices=tuple(INPUT_RANGES))
    """Range of the pixels that --model_path takes, as RGB."""

    model_output: str = setting("logits", choices=OUTPUTS)
    """What --model_path returns."""
