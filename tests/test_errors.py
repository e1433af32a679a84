"""The words of messages."""

from noisy_student import errors


def test_one_thing_is_singular():
    words = [errors.counted(number, "core") for number in (0, 1, 2)]
    assert words == ["0 cores", "1 core", "2 cores"]
