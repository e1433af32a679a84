from noisy_student import report

TEACHER = {
    "generation": 0,
    "role": "teacher",
    "model_name": "efficientnet-b0",
    "top_1_accuracy": 0.8125,
    "top_5_accuracy": 0.99,
    "num_images": 50,
    "pseudo_labels": {"kept": 0, "records": 0, "accuracy": None},
    "seconds": 12.4,
}
STUDENT = TEACHER | {
    "generation": 1,
    "role": "student",
    "top_1_accuracy": 0.9,
    "pseudo_labels": {"kept": 1000, "records": 1300, "accuracy": 0.875},
}


def test_the_table_has_a_line_a_generation():
    table = report.format_table({"generations": [TEACHER, STUDENT]})
    header, first, second = table.split("\n")
    assert len({len(line) for line in (header, first, second)}) == 1
    start = ["0", "teacher", "efficientnet-b0", "50", "0", "0", "-", "81.25"]
    assert first.split() == [*start, "%", "99.00", "%", "12"]
    assert second.split()[5:9] == ["1300", "87.50", "%", "90.00"]


def test_the_table_has_a_column_for_every_evaluation():
    student = STUDENT | {"calibration_error": 0.01234}
    table = report.format_table({"generations": [TEACHER, student]})
    header, first, second = (line.split() for line in table.split("\n"))
    assert header[-4:] == ["top-1", "top-5", "calibration-error", "seconds"]
    assert first[-2:] == ["-", "12"]
    assert second[-2:] == ["0.01234", "12"]
