from noisy_student.training import means


def test_every_step_weighs_the_same():
    collected = means.Means()
    collected.add({"loss": 1.0}, steps=3, seconds=2.0)
    collected.add({"loss": 5.0}, steps=1, seconds=6.0)
    assert collected.take() == ({"loss": 2.0}, 0.5)


def test_what_was_taken_is_forgotten():
    collected = means.Means()
    collected.add({"loss": 1.0}, steps=3, seconds=2.0)
    collected.take()
    collected.add({"loss": 4.0}, steps=2, seconds=1.0)
    assert collected.take() == ({"loss": 4.0}, 2.0)
