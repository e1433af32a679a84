from noisy_student.report import robustness


def test_the_table_has_a_line_a_score_and_a_column_a_model():
    scores = {
        "teacher": {
            "perturbations": {
                "mean_flip_probability": 0.0525,
                "flip_rate_snow": 98.125,
                "mean_flip_rate_of_1_types": 98.125,
            },
        },
        "student": {
            "perturbations": {"mean_flip_probability": 0.04},
            "corruptions": {"mean_corruption_error": 45.7, "error_fog": 0.5},
        },
    }
    lines = [
        line.replace(" %", "%").split()
        for line in robustness.format_robustness(scores).split("\n")
    ]
    assert lines[0] == ["suite", "score", "teacher", "student"]
    assert [line[1:] for line in lines[1:]] == [
        ["mean_flip_probability", "5.25%", "4.00%"],
        ["flip_rate_snow", "98.12", "-"],
        ["mean_flip_rate_of_1_types", "98.12", "-"],
        ["mean_corruption_error", "-", "45.70"],
        ["error_fog", "-", "50.00%"],
    ]
