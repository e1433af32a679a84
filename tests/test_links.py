"""Links, anchors and files that the documents name exist."""

import re
import subprocess

import pytest

from tests.scripts import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Files of the project in backticks, such as `noisy_student/errors.py`.
_FILE = re.compile(
    r"`((?:docs|flags|noisy_student|notebooks|tests|tools)/[\w/.-]*\w/?)`"
)


def prose_of(page):
    """The text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


def anchors_of(page):
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page), re.M)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for target in _LINK.findall(prose_of(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors_of(linked), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page):
    missing = {
        name
        for name in _FILE.findall(prose_of(page))
        if not (ROOT / name).exists() and not re.search("METHOD|NAME", name)
    }
    assert not missing


def test_every_page_is_linked_from_the_readme():
    linked = set(_LINK.findall((ROOT / "README.md").read_text()))
    pages = {name for name in NAMES if name.startswith("docs/")}
    assert not pages - {target.partition("#")[0] for target in linked}


def test_the_readme_takes_a_minute():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_every_document_is_committed():
    tracked = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    if not tracked:
        pytest.skip("this is no git checkout")
    assert {*NAMES} <= {*tracked}
