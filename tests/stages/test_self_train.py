"""The loop over generations, with models and labels that cost nothing."""

import dataclasses
import json

import numpy as np
import pytest

from noisy_student import pseudo_labels, training
from noisy_student.config import DataConfig, SelfTrainingConfig
from noisy_student.data import records
from noisy_student.files import run_directory, shards, writing
from noisy_student.pseudo_labels import stats
from noisy_student.stages import labels, predict, self_train, train
from noisy_student.stages.experiment import Experiment
from noisy_student.training import distribution
from tests.settings import experiment

# Accuracies on the validation images, by generation.
ACCURACIES = (0.5, 0.9, 0.7, 0.8)


@dataclasses.dataclass
class Loop:
    """Self-training in which stages leave their files and do nothing else.

    Attributes:
        settings: Of the loop.
        starts: What each training started from.
        done: What was done, in order.
        stop: Where it is killed, as in `done`.
    """

    directory: object
    settings: SelfTrainingConfig
    starts: list = dataclasses.field(default_factory=list)
    done: list = dataclasses.field(default_factory=list)
    stop: str = ""

    def run(self):
        config = dataclasses.replace(
            experiment(self.directory, unlabel_ratio=2),
            data=DataConfig(input_image_size=16),
            self_training=self.settings,
        )
        devices = distribution.make_devices(config.run)
        return self_train.self_train(Experiment.open(config, devices))

    def note(self, what):
        if what == self.stop:
            self.stop = ""
            raise KeyboardInterrupt
        self.done.append(what)

    def train_model(self, own, seed, description, unlabeled):
        path = own.config.directory / run_directory.MODEL_FILE
        if not path.exists():
            start = own.config.train.init_weights
            if self.settings.student_init == "fresh":
                assert start is None or "finetune" in str(path)
            self.starts.append(start)
            self.note(description)
            writing.write_text(path, description)
        if "student" in description:
            assert unlabeled.images.record_paths
        top_1 = 0.25 if "fine-tune" in description else 0.125
        accuracy = {"top_1_accuracy": top_1, "top_5_accuracy": 1.0}
        return {"step": 1, **accuracy, "num_images": 400, "seconds": 10.0}

    def of_filtered_images(self, own, filtered):
        assert pseudo_labels.record_paths(filtered)
        self.note(f"again {filtered.parent.name}")
        return own

    def make_pseudo_labels(self, own, teacher, directory, seed):
        assert own.config.data.input_image_size is None
        generation = teacher.relative_to(self.directory).parts[0]
        tuned = " finetune" if "finetune" in str(teacher) else ""
        if not (directory / stats.STATS_FILE).exists():
            self.note(f"{directory.parent.name} by {generation}{tuned}")
            record = directory / "data/train-00000-of-00001"
            with shards.shard_writer(record) as writer:
                writer.write(
                    records.encode_pseudo_labeled(b"image", 3, np.ones(10))
                )
            writing.write_text(directory / "predictions/train-info", "1")
            made = pseudo_labels.PseudoLabelStats(
                kept=30,
                records=40,
                correct=15,
                undecodable=0,
                seconds=5.0,
                made_from={},
                files={record.name: record.stat().st_size},
                predicted=[],
                above_threshold=[],
                kept_per_class=[],
                records_per_class=[],
                threshold=[],
            )
            path = directory / stats.STATS_FILE
            writing.write_json(path, dataclasses.asdict(made))
        return pseudo_labels.PseudoLabelStats.load(directory)

    def kept_validation(self, directory, keep_best):
        assert keep_best
        name = directory.relative_to(self.directory).parts[0]
        return {"top_1_accuracy": ACCURACIES[int(name.split("_")[1])]}

    def left(self, name):
        found = self.directory.glob(f"generation_*/pseudo_labels/{name}")
        return sorted(path.parts[-3] for path in found)


@pytest.fixture
def make_loop(tmp_path, monkeypatch):
    def make(validated=False, **settings):
        loop = Loop(tmp_path / "run", SelfTrainingConfig(3, **settings))
        monkeypatch.setattr(train, "train_model", loop.train_model)
        if validated:
            monkeypatch.setattr(Experiment, "validation", "images")
            monkeypatch.setattr(
                training, "kept_validation", loop.kept_validation
            )
        for module, name in (
            (labels, "of_filtered_images"),
            (predict, "make_pseudo_labels"),
        ):
            monkeypatch.setattr(module, name, getattr(loop, name))
        return loop

    return make


ALL_ANEW = [
    "train teacher",
    "generation_01 by generation_00",
    "train student 1",
    "generation_02 by generation_01",
    "train student 2",
    "generation_03 by generation_02",
    "train student 3",
]


def test_every_student_teaches_the_next(make_loop):
    loop = make_loop()
    rows = loop.run()["generations"]
    assert loop.done == ALL_ANEW
    assert [row["teacher"] for row in rows] == [None, 0, 1, 2]
    assert rows[3] == {
        "generation": 3,
        "role": "student",
        "model_name": "efficientnet-b0",
        "top_1_accuracy": 0.125,
        "top_5_accuracy": 1.0,
        "num_images": 50 + 30,
        "pseudo_labels": {"kept": 30, "records": 40, "accuracy": 0.5},
        "seconds": 15.0,
        "teacher": 2,
        "input_image_size": 16,
        "before_fine_tuning": None,
        "validation": None,
    }
    assert (loop.directory / "model.keras").read_text() == "train student 3"
    everyone = ["generation_01", "generation_02", "generation_03"]
    assert loop.left("data") == loop.left("predictions") == everyone


def test_the_best_student_teaches(make_loop):
    loop = make_loop(validated=True, early_stopping_students=0)
    results = loop.run()
    rows = results["generations"]
    assert [row["teacher"] for row in rows] == [None, 0, 1, 1]
    assert [row["validation"]["top_1_accuracy"] for row in rows] == [
        *ACCURACIES
    ]
    assert "generation_03 by generation_01" in loop.done
    assert results["chosen_generation"] == 1
    assert results["stopped_after"] is None
    assert (loop.directory / "model.keras").read_text() == "train student 1"


def test_the_newest_teaches_where_asked(make_loop):
    loop = make_loop(
        validated=True, next_teacher="newest", early_stopping_students=0
    )
    results = loop.run()
    teachers = [row["teacher"] for row in results["generations"]]
    assert teachers == [None, 0, 1, 2] and results["chosen_generation"] == 3


def test_it_ends_where_students_are_no_better(make_loop):
    """0.7 is below 0.9: student 3 is not trained, unless more is asked for."""
    loop = make_loop(validated=True)
    results = loop.run()
    assert len(results["generations"]) == 3
    assert (results["chosen_generation"], results["stopped_after"]) == (1, 1)
    assert loop.run() == results  # also after another call
    loop.settings = dataclasses.replace(
        loop.settings, early_stopping_students=2
    )
    more = loop.run()
    assert more["generations"][:3] == results["generations"]
    assert (len(more["generations"]), more["stopped_after"]) == (4, 2)


def test_students_start_from_the_best_teachers_weights(make_loop):
    loop = make_loop(
        validated=True, early_stopping_students=0, student_init="teacher"
    )
    loop.run()
    assert loop.starts == [
        None,
        *(
            str(loop.directory / f"generation_{number:02d}/model.keras")
            for number in (0, 1, 1)
        ),
    ]


def test_what_is_fine_tuned_teaches(make_loop):
    loop = make_loop(finetune_input_image_sizes=(24, 0, 32), finetune_steps=1)
    rows = loop.run()["generations"]
    assert [row["input_image_size"] for row in rows] == [16, 24, 16, 32]
    assert [row["top_1_accuracy"] for row in rows] == [
        0.125,
        0.25,
        0.125,
        0.25,
    ]
    before = rows[1]["before_fine_tuning"]
    assert before == {"top_1_accuracy": 0.125, "top_5_accuracy": 1.0}
    assert rows[2]["before_fine_tuning"] is None
    assert rows[1]["seconds"] == 25
    assert "generation_02 by generation_01 finetune" in loop.done
    assert "generation_03 by generation_02" in loop.done
    assert loop.done[-1] == "fine-tune student 3"
    model = loop.directory / "model.keras"
    assert model.read_text() == "fine-tune student 3"


@pytest.mark.parametrize("keep", ["all", "last"])
def test_images_are_chosen_once(make_loop, keep):
    """Later teachers label them again; copies are no more images."""
    loop = make_loop(filter_once=True, keep_pseudo_labels=keep)
    rows = loop.run()["generations"]
    again = [what for what in loop.done if what.startswith("again")]
    assert again == ["again generation_01", "again generation_02"]
    kept = [row["pseudo_labels"]["kept"] for row in rows]
    assert kept == [0, 30, 30, 30]


@pytest.mark.parametrize(
    "once", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_labels_of_earlier_generations_are_removed(make_loop, once):
    loop = make_loop(filter_once=once, keep_pseudo_labels="last")
    loop.stop = "generation_03 by generation_02"
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    # Of the chosen images the records are needed; of others nothing is.
    assert loop.left("data") == (["generation_02"] if once else [])
    loop.run()
    assert loop.left("data") == loop.left("predictions") == ["generation_03"]
    everyone = ["generation_01", "generation_02", "generation_03"]
    assert loop.left("stats.json") == everyone
    # Finished generations stay finished.
    before = list(loop.done)
    assert len(loop.run()["generations"]) == 4
    assert loop.done == before


@pytest.mark.parametrize("once", [False, True])
def test_a_finished_run_takes_more_iterations(make_loop, once):
    """The last generation's labels are there, though others' are gone."""
    loop = make_loop(filter_once=once, keep_pseudo_labels="last")
    whole = loop.settings
    loop.settings = dataclasses.replace(whole, num_iterations=2)
    before = loop.run()["generations"]
    loop.settings = whole
    rows = loop.run()["generations"]
    assert rows[:3] == before and len(rows) == 4
    assert loop.left("data") == ["generation_03"]


@pytest.mark.parametrize("once", [False, True])
def test_killed_before_any_stage_it_ends_the_same(make_loop, once):
    settings = {
        "filter_once": once,
        "keep_pseudo_labels": "last",
        "validated": True,
        "early_stopping_students": 0,
        "finetune_input_image_sizes": (24,),
        "finetune_steps": 1,
    }
    whole = make_loop(**settings)
    results = whole.run()
    stages = list(whole.done)
    for number, stage in enumerate(stages):
        loop = make_loop(**settings)
        loop.directory = whole.directory.with_name(f"run_{number}")
        loop.stop = stage
        with pytest.raises(KeyboardInterrupt):
            loop.run()
        assert loop.done == stages[:number]
        assert loop.run() == results
        # Its records are gone, or still to be labelled again.
        assert [w for w in loop.done if not w.startswith("again")] == [
            w for w in stages if not w.startswith("again")
        ]
        saved = json.loads((loop.directory / "results.json").read_text())
        assert saved == results


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"next_teacher": "best"}, "next_teacher=best"),
        ({"early_stopping_students": 2}, "early_stopping_students=2"),
    ],
)
def test_choosing_needs_validation_images(tmp_path, settings, name):
    config = dataclasses.replace(
        experiment(tmp_path, unlabel_ratio=2),
        self_training=SelfTrainingConfig(1, **settings),
    )
    opened = Experiment.open(config, distribution.make_devices(config.run))
    with pytest.raises(ValueError, match=f"{name} chooses by validation imag"):
        self_train._check(opened)
