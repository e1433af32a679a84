import re

import flags
from tests.scripts import ROOT, python
from tools import flags_page


def test_the_page_is_that_of_the_settings():
    """If not: python -m tools.flags_page > docs/flags.md"""
    printed = python("-m", "tools.flags_page").stdout
    assert printed == (ROOT / "docs/flags.md").read_text()


def test_every_flag_is_on_the_page():
    names = re.findall(r"(?m)^\| `--(?:\[no\])?(\w+)`", flags_page.page())
    assert names == flags.names()


def test_no_cell_ends_early():
    lines = [x for x in flags_page.page().splitlines() if x.startswith("| `")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 4 for line in lines)
