"""The page of a made run: all parts, and what stands where some are missing."""

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from noisy_student.errors import InputError
from noisy_student.files import run_directory
from noisy_student.report import page
from noisy_student.report.run import Run
from tests.report import made_run

COMMAND = "<code>python "


class Page(HTMLParser):
    """What a page has, and whether its elements are closed in order."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.texts = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def captions(self):
        return {each["aria-label"] for each in self.all("svg")}


@pytest.fixture
def directory(tmp_path):
    made_run.make(tmp_path / "run")
    return tmp_path / "run"


def render(directory, labels=()):
    return page.render(Run.read(directory), labels)


@pytest.fixture
def whole(directory):
    """Of a run in which everything was measured."""
    made_run.make_evaluation(directory)
    made_run.make_audit(directory)
    made_run.make_robustness(directory)
    return render(
        directory, [made_run.labels(1, examples=[]), made_run.labels()]
    )


def test_all_parts_are_there(whole):
    found = Page(whole)
    sections = [each["id"] for each in found.all("section")]
    assert sections == [
        each["href"].removeprefix("#") for each in found.all("a")
    ]
    assert len(sections) == 9
    labels = found.captions
    assert len(labels) == len(found.all("svg")) == 12
    assert (
        "Top-1 accuracy on the test images: first teacher 50.0 %, student 1 "
        "70.0 %, student 2 75.0 %" in labels
    )
    for student in (1, 2):
        assert (
            f"Confidence of the pseudo labels of student {student}, and the "
            "threshold" in labels
        )
    for caption in (
        "Losses: student 2",
        "Learning rate",
        "Calibration on test images",
        "Accuracy under attack by PGD",
    ):
        assert caption in labels
    assert "25.0 points better than the first teacher (95\u00a0%" in whole
    assert COMMAND not in whole
    assert "25.00 %" in whole  # of the robustness


def test_nothing_comes_from_elsewhere(whole):
    assert not re.search("https?://", whole)
    for tag, attributes in Page(whole).found:
        assert tag != "script"
        for name in ("href", "src"):
            link = attributes.get(name, "#")
            assert link.startswith(("#", "data:")), (tag, link)
    ids = re.findall(r' id="([^"]*)"', whole)
    assert len(ids) == len({*ids})


def test_every_image_decodes_and_is_described(whole):
    images = Page(whole).all("img")
    shades = []
    for each in images:
        content = each["src"].partition("base64,")[2]
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            shades.append(image.getpixel((0, 0))[0])
        assert each["alt"].startswith("Image labelled ")
    # The broken one is left out; the last one is the audit's.
    assert shades == [10, 20, 30, 40, 77]
    label = "Image labelled cat with"
    assert images[0]["alt"] == f"{label} 90.00 %, kept, truly dog"
    assert images[1]["alt"] == f"{label} 20.00 %, rejected"
    assert images[3]["alt"].endswith("rejected, truly (none of the classes)")
    assert "student says dog, truly dog" in images[4]["alt"]


def test_names_of_classes_are_no_html(whole):
    assert "<b>" not in whole
    assert made_run.NAMES[2] in "".join(Page(whole).texts)
    assert any(
        made_run.NAMES[2] in each["alt"] for each in Page(whole).all("img")
    )


def test_missing_parts_name_the_command_that_measures_them(directory):
    text = render(directory, [made_run.labels(histogram=None, examples=[])])
    Page(text)
    run = f"--model_dir={directory}"
    images = f"--task_name=cifar10 --num_labeled=100 {run}"
    assert text.count(f"{COMMAND}main.py --mode=eval {images}<") == 2
    assert f"{COMMAND}main.py --mode=robustness {images}<" in text
    assert f"{COMMAND}tools/audit.py {run}<" in text
    assert "Confidence of the pseudo labels" not in text
    assert "Images of each class for student 2" in text


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_runs_that_are_not_finished(tmp_path, finished):
    made_run.make(tmp_path / "run", finished=finished)
    text = render(tmp_path / "run")
    Page(text)
    assert "The run is not finished" in text
    assert "No images are labelled yet." in text
    # Commands are named that have something to measure.
    assert (f"{COMMAND}main.py --mode=eval" in text) == (finished > 0)
    assert (f"{COMMAND}main.py --mode=robust" in text) == (finished > 0)
    assert (f"{COMMAND}tools/audit.py" in text) == (finished > 1)


def test_a_run_that_has_just_begun(tmp_path):
    made_run.make(tmp_path / "run", finished=0)
    (tmp_path / "run/results.json").unlink()
    (tmp_path / "run/classes.txt").unlink()
    text = render(tmp_path / "run")
    assert "No model is finished yet." in text
    assert "No losses are logged here yet" in text


def test_one_training(tmp_path):
    made_run.make(tmp_path / "run", mode="train", finished=0)
    made_run.make_training(tmp_path / "run", 0.5)
    text = render(tmp_path / "run")
    found = Page(text)
    assert "The model has 50.0\u00a0% (95\u00a0% interval 43.1 to 56.9)" in text
    assert found.captions == {"Losses: model", "Learning rate"}
    sections = [each["id"] for each in found.all("section")]
    assert "labels" not in sections and "audit" not in sections


def test_many_classes(tmp_path, directory):
    """Curves in place of bars, mistakes in place of a matrix, some images."""
    names = [f"class {number}" for number in range(1000)]
    run_directory.write_class_names(directory, names)
    [example, *_] = made_run.labels().examples
    examples = [
        dataclasses.replace(example, label=label, is_kept=kept)
        for label in range(1000)
        for kept in (True, False)
    ]
    made_run.make_evaluation(directory)
    made_run.write_csv(
        directory / "evaluation/generation_02/test/confusion.csv",
        [["", *names]]
        + [
            [name, *(3 * (r == 1 and c == 2) for c in range(1000))]
            for r, name in enumerate(names)
        ],
    )
    labels = made_run.labels(classes=1000, examples=examples)
    text = render(directory, [labels])
    found = Page(text)
    assert len(found.all("img")) == 2 * 20
    assert "980 more classes are left out" in text
    assert "<td>class 1</td><td>class 2</td><td>3</td>" in text
    assert len(text) < 5e6


def test_flags_that_differ_come_first(directory):
    text = render(directory)
    changed, rest = text.split("All 1", 1)
    assert "<code>--unlabel_ratio</code>" in changed
    assert "<code>--seed</code>" not in changed
    assert "<code>--seed</code>" in rest


@pytest.mark.parametrize(
    "name",
    [
        "results.json",
        "config.json",
        "generation_01/metrics.jsonl",
        "evaluation/evaluation.json",
        "evaluation/generation_02/test/confusion.csv",
        "robustness/robustness.json",
        "audit/generation_02/audit.json",
    ],
)
def test_a_damaged_file_is_one_clear_line(whole, directory, name):
    (directory / name).write_text("{\n")
    with pytest.raises(InputError) as error:
        Run.read(directory)
    assert f"{directory / name} is damaged (" in str(error.value)
    assert "\n" not in str(error.value)


def test_results_without_generations_are_damaged(directory):
    (directory / "results.json").write_text('{"generations": 3}')
    with pytest.raises(InputError, match=r"results.json is damaged \(gener"):
        Run.read(directory)


def test_runs_of_other_modes_are_refused(tmp_path):
    made_run.make(tmp_path / "run", mode="predict")
    with pytest.raises(ValueError, match="is of mode=predict; name the model"):
        Run.read(tmp_path / "run")
    with pytest.raises(ValueError, match="There is no run in"):
        Run.read(tmp_path)


def test_the_chart_is_written(directory, tmp_path):
    page.write_chart(Run.read(directory), tmp_path / "images/chart.svg")
    text = (tmp_path / "images/chart.svg").read_text()
    assert ">70.0<" in text and "prefers-color-scheme: dark" in text
