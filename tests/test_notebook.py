"""The notebook is executed from start to end, in a short form."""

import shlex
import shutil
import types

import nbformat
import pytest
from IPython.core import inputtransformer2

from noisy_student.config import MODES
from tests.scripts import ROOT, TINY

PATH = ROOT / "notebooks/noisy_student.ipynb"
# Instead of the recipe's.
QUICK = ("--augment_name=none", "--teacher_train_steps=6", "--min_threshold=0")
# What a tagged cell needs of the project.
NEEDS = {
    "export": "export" in MODES,
    "report": (ROOT / "tools/report.py").exists(),
}


@pytest.fixture
def notebook():
    return nbformat.read(PATH, as_version=4)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags_of(cell):
    return set(cell.metadata.get("tags", ()))


def test_no_outputs_are_committed(notebook):
    for cell in code_of(notebook):
        assert not cell.outputs and cell.execution_count is None


@pytest.mark.parametrize(
    ("environment", "tools", "installed"),
    [
        ({}, [], []),
        ({}, ["nvidia-smi"], []),
        ({"COLAB_RELEASE_TAG": "1"}, [], ["requirements.txt"]),
        (
            {"COLAB_RELEASE_TAG": "1"},
            ["nvidia-smi"],
            ["requirements-gpu.txt"],
        ),
        (
            {"COLAB_RELEASE_TAG": "1", "TPU_ACCELERATOR_TYPE": "v5e-1"},
            [],
            ["tensorflow", "requirements-tpu.txt"],
        ),
        ({"TPU_NAME": "local"}, [], ["tensorflow", "requirements-tpu.txt"]),
    ],
)
def test_what_is_installed(
    notebook, environment, tools, installed, monkeypatch
):
    """Colab has another TensorFlow, which must not do in place of ours."""
    monkeypatch.chdir(PATH.parent)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shutil, "which", lambda name: name in tools or None)
    [cell] = [each for each in code_of(notebook) if "%pip" in each.source]
    commands, names = [], {}
    shell = types.SimpleNamespace(
        run_line_magic=lambda magic, line: commands.append(
            line.format(**names).split()[-1]
        )
    )
    names["get_ipython"] = lambda: shell
    source = inputtransformer2.TransformerManager().transform_cell(cell.source)
    exec(source, names)
    assert commands == installed
    assert all((ROOT / name).exists() for name in commands[-1:])


@pytest.mark.slow
def test_the_notebook_runs_from_start_to_end(notebook, tmp_path):
    from nbclient import NotebookClient

    [parameters] = [c for c in code_of(notebook) if "parameters" in tags_of(c)]
    flags = shlex.join([*TINY, *QUICK])
    parameters.source = f"RUN, FLAGS = {str(tmp_path / 'run')!r}, {flags!r}"
    missing = {tag for tag, is_there in NEEDS.items() if not is_there}
    notebook.cells = [c for c in notebook.cells if not tags_of(c) & missing]
    where = {"metadata": {"path": str(PATH.parent)}}
    NotebookClient(notebook, timeout=900, resources=where).execute()
    assert (tmp_path / "run/results.json").exists()
    assert len((tmp_path / "run/labels.csv").read_text().split()) == 21
    if NEEDS["export"]:
        assert (tmp_path / "run/exported/README.md").exists()
    outputs = [out for c in code_of(notebook) for out in c.outputs]
    assert any("image/png" in out.get("data", {}) for out in outputs)
