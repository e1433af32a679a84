"""The page of evidence: its tables are those of the results, which are ours."""

import re

import pytest

from noisy_student.config.paths import to_path
from tests.scripts import ROOT
from tools.studies import arms, results, tables

PAGE = (ROOT / "docs/evidence.md").read_text()
RESULTS = sorted((ROOT / "docs/results").glob("*.json"))
SHOWN = re.findall(r"--results=docs/results/(\w+\.json)", PAGE)


def test_every_file_of_results_is_shown_once():
    assert sorted(SHOWN) == [path.name for path in RESULTS] != []


@pytest.fixture(params=RESULTS, ids=lambda path: path.stem)
def found(request):
    return results.load(to_path(str(request.param)))


def test_tables_are_those_of_the_command_above(found):
    *shown, _ = tables.show(found).splitlines()
    command = f"python -m tools.study --results=docs/results/{found.study}.json"
    text = "\n".join(shown)
    assert f"```\n{command}\n```\n\n```text\n{text}\n```\n" in PAGE


def test_results_are_of_the_flags_that_stand(found, monkeypatch):
    """Where an arm has not been run, the table says so."""
    monkeypatch.chdir(ROOT)  # flag files name others
    directory = to_path(str(ROOT / "flags/studies" / found.study))
    for arm in arms.read(directory, []):
        assert found.arms[arm.name].flags == arm.flags
    assert any(arm.runs for arm in found.arms.values())


def test_figures_of_the_readme_are_the_pages():
    text = (ROOT / "README.md").read_text()
    section = text.split("## Evidence\n")[1].split("\n## ")[0]
    figures = re.findall(r"[+-]?\d+\.\d\d", section)
    assert len(figures) > 5
    assert not [figure for figure in figures if figure not in PAGE]
