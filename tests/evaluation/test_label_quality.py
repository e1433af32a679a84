import numpy as np

from noisy_student.evaluation.label_quality import (
    EDGES,
    StudentAnswers,
    Tally,
    TeacherLabels,
    most_disputed,
    self_confidence,
)

LABELS = TeacherLabels(
    labels=np.array([0, 2, 2, 2]),
    confidences=np.array([0.05, 0.5, 0.55, 1.0], np.float32),
    copies=np.array([1, 0, 2, 1]),
    truth=np.array([0, 2, -1, 1]),
)


def test_images_are_counted_by_class():
    images, known, correct = Tally.of(LABELS, 3).by_class
    assert images.tolist() == [1, 0, 3]
    assert known.tolist() == [1, 0, 2]
    assert correct.tolist() == [1, 0, 1]


def test_the_accuracy_is_that_of_known_images():
    counts = Tally.of(LABELS, 3).by_class
    accuracy = counts.accuracy
    assert (accuracy[0], accuracy[2]) == (1, 0.5) and np.isnan(accuracy[1])
    assert counts.all_groups().accuracy.tolist() == [2 / 3]
    assert counts.at(2).accuracy.tolist() == [0.5]


def test_a_bin_has_its_lower_edge_and_the_last_one_both():
    images = Tally.of(LABELS, 3).by_confidence.images
    found = {float(EDGES[place]) for place in np.flatnonzero(images)}
    assert found == {0.05, 0.5, 0.55, 0.95}
    assert images.sum() == 4


def test_a_probability_above_1_is_in_the_last_bin():
    """Rounding makes such ones."""
    labels = LABELS._replace(confidences=np.full(4, 1.0001, np.float32))
    assert Tally.of(labels, 3).by_confidence.images[-1] == 4


def test_parts_count_like_the_whole():
    first, second = LABELS.copies > 0, LABELS.copies == 0
    parts = [Tally.of(LABELS.where(mask), 3) for mask in (first, second)]
    for ours, theirs in zip(Tally.total(parts), Tally.of(LABELS, 3), strict=1):
        for column, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(column, expected)
    joined = TeacherLabels.joined([LABELS.where(first), LABELS.where(second)])
    assert joined.confidences.dtype == np.float32
    assert joined.truth.tolist() == [0, -1, 1, 2]


def test_self_confidence_is_the_probability_of_the_given_label():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    labels = np.array([1, 2])
    assert self_confidence(probabilities, labels).tolist() == [0.2, 0.4]
    answers = StudentAnswers.of(probabilities, labels)
    assert answers.predictions.tolist() == [0, 2]
    assert answers.confidences.tolist() == [0.7, 0.4]
    assert answers.self_confidences.tolist() == [0.2, 0.4]


def test_the_most_disputed_come_first():
    values = np.array([0.5, 0.1, 0.9, 0.1])
    assert most_disputed(values, 3).tolist() == [1, 3, 0]
    assert most_disputed(values, 9).tolist() == [1, 3, 0, 2]
