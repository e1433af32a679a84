"""Figures as SVG: whole XML, nothing from elsewhere, legible colours."""

import re
from xml.etree import ElementTree

import pytest

from noisy_student.report import charts, svg
from noisy_student.report.verdict import Score


@pytest.fixture
def picture():
    return charts.accuracy([Score("first teacher", 0.5), Score("x", 0.75)])


def test_an_element_of_a_page_has_no_links_and_ids_of_its_own(picture):
    text = svg.inline(picture, "accuracy", "two &lt; three")
    root = ElementTree.fromstring(text)
    assert root.attrib["aria-label"] == "two < three"
    assert root.attrib["style"] == "max-width: 360px"
    assert "width" not in root.attrib
    assert "://" not in text and "<style" not in text
    ids = re.findall(r'id="([^"]*)"', text)
    assert ids and all(each.startswith("accuracy-") for each in ids)
    used = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text)
    assert used and {a or b for a, b in used} <= {*ids}


def test_all_colours_are_variables(picture):
    text = svg.inline(picture, "accuracy", "")
    assert re.findall(r"#[0-9a-f]{6}", text) == []
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    defined = set(re.findall(r"(--[\w-]+):", svg.colors_css("svg")))
    assert {"--ink", "--grid", "--series-0"} == used <= defined


def test_a_file_of_its_own_is_whole(picture):
    root = ElementTree.fromstring(svg.standalone(picture, "label"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["width"] == "270pt"
    texts = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert {"50.0", "75.0"} <= {*texts}


def luminance(color):
    """Of WCAG 2."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_colours_are_legible(scheme):
    """Text at 7:1 and 4.5:1, other things at 3:1 (WCAG 2.2, AA and AAA)."""
    rule = re.findall(r"svg \{[^}]*\}", svg.colors_css("svg"))[scheme]
    colors = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", rule))
    paper = luminance(colors.pop("--paper"))

    def contrast(color):
        dark, light = sorted((luminance(color), paper))
        return (light + 0.05) / (dark + 0.05)

    del colors["--grid"]
    assert contrast(colors.pop("--ink")) > 7
    # These are of text, too.
    assert contrast(colors["--series-0"]) > 4.5
    assert contrast(colors["--series-1"]) > 4.5
    assert all(contrast(color) > 3 for color in colors.values())
