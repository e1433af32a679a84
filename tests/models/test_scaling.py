import json

import pytest

from noisy_student.config import ModelConfig
from noisy_student.models import scaling


@pytest.mark.parametrize("name", list(scaling.MODELS))
def test_block_counts_and_resolution_match_the_original(name, fixtures):
    truth = json.loads((fixtures / "variables/param_counts.json").read_text())
    if name not in truth:  # L0 and L1 were not released; Lite is another's
        pytest.skip("the original's code has no such model")
    scale = scaling.get_scaling(ModelConfig(name))
    stages = scaling.scale_stages(scale.width, scale.depth)
    assert sum(stage.repeats for stage in stages) == truth[name]["blocks"]
    assert scale.resolution == truth[name]["resolution"]
    assert scale.dropout_rate == truth[name]["dropout_rate"]


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0, 1.1, 1.4, 2.0, 4.3])
def test_filters_are_multiples_of_8_and_never_lose_a_tenth(width):
    for filters in (16, 24, 32, 40, 80, 112, 192, 320, 1280):
        scaled = scaling.scale_filters(filters, width)
        assert scaled % 8 == 0
        assert scaled >= 0.9 * filters * width
        assert scaled <= max(8, filters * width * 1.1 + 8)


def test_repeats_are_rounded_up():
    assert scaling.scale_stages(1, 1.1)[3].repeats == 4
    assert scaling.scale_stages(1, 0.34)[0].repeats == 1


def test_small_images_keep_the_resolution_in_stages_2_and_3():
    strides = [stage.stride for stage in scaling.scale_stages(1, 1, True)]
    assert strides == [1, 1, 1, 2, 1, 2, 1]


def test_size_grows_along_the_family():
    def size(*args, **overrides):
        return scaling.get_scaling(ModelConfig(*args, **overrides)).size

    for lite in (False, True):
        sizes = [size(n) for n, m in scaling.MODELS.items() if m.lite == lite]
        assert sizes == sorted(sizes)
    wider = size("efficientnet-b0", width_coefficient=1.5)
    assert wider > size("efficientnet-b0")


def test_an_unknown_model_lists_the_known():
    with pytest.raises(
        ValueError, match=r"efficientnet-b9.*efficientnet-l2.*lite4"
    ):
        scaling.get_scaling(ModelConfig("efficientnet-b9"))
