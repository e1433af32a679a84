"""Models are measured on images of their own classes."""

import pytest

from noisy_student.stages import subjects


def test_classes_of_other_names_are_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    model = tmp_path / "model.keras"
    for path in (tmp_path, model):
        subjects._check_class_names(path, ("cat", "dog"))
        subjects._check_class_names(path, None)
        with pytest.raises(ValueError, match="knows the classes cat, dog, and"):
            subjects._check_class_names(path, ("dog", "cat"))
    subjects._check_class_names(tmp_path / "elsewhere/model.keras", ("a", "b"))
