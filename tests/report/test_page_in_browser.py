"""The page of a made run in Chromium, at two widths and in both schemes."""

import html
import json
import re
import shutil
import subprocess

import pytest

from noisy_student.report import page, svg
from noisy_student.report.run import Run
from tests.report import made_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

# Chromium's windows are at least 500 pixels wide, frames are not.
FRAME = """<!DOCTYPE html><body><iframe src="report.html" style="border: 0;
width: {width}px; height: 2000px"></iframe><script>
addEventListener("message", event => {{
  document.body.dataset.found = event.data;
}})</script></body>"""
# In the frame; its page cannot be looked at from outside.
MEASURE = """<script>addEventListener("load", () => {
  document.querySelectorAll("details").forEach(each => each.open = true);
  const sizes = [...document.querySelectorAll("svg")].map(each => {
    const box = each.getBoundingClientRect();
    return [box.width, box.height];
  });
  parent.postMessage(JSON.stringify({
    inner: innerWidth,
    scroll: document.documentElement.scrollWidth,
    images: [...document.images].map(each => each.naturalWidth),
    sizes,
    paper: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.querySelector("svg text")).fill,
  }), "*");
})</script>"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    directory = tmp_path_factory.mktemp("page") / "run"
    made_run.make(directory)
    made_run.make_evaluation(directory)
    made_run.make_audit(directory)
    made_run.make_robustness(directory)
    return page.render(Run.read(directory), [made_run.labels()])


def browse(text, directory, width, is_light):
    """Returns the console's messages and what `MEASURE` found."""
    page_text = text.replace("</body>", f"{MEASURE}</body>")
    (directory / "report.html").write_text(page_text)
    frame = directory / "frame.html"
    frame.write_text(FRAME.format(width=width))
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={directory / 'profile'}",
            f"--blink-settings=preferredColorScheme={int(is_light)}",
            "--window-size=1400,2100",
            "--virtual-time-budget=5000",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
            f"file://{frame}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    [found] = re.findall(r'data-found="([^"]*)"', done.stdout)
    messages = [line for line in done.stderr.split("\n") if "CONSOLE" in line]
    return messages, json.loads(html.unescape(found))


def rgb(name, scheme):
    """A colour of a scheme (0: light) as browsers say it."""
    rule = re.findall(r"svg \{[^}]*\}", svg.colors_css("svg"))[scheme]
    [color] = re.findall(rf"{name}: #([0-9a-f]{{6}})", rule)
    channels = (int(color[place : place + 2], 16) for place in (0, 2, 4))
    return f"rgb({', '.join(map(str, channels))})"


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("is_light", [True, False])
def test_it_is_whole_and_fits(text, tmp_path, width, is_light):
    messages, found = browse(text, tmp_path, width, is_light)
    assert messages == []
    assert found["inner"] == width
    assert found["scroll"] <= width
    assert len(found["images"]) == 5 and all(found["images"])
    assert len(found["sizes"]) == 10
    for svg_width, svg_height in found["sizes"]:
        assert 300 <= svg_width <= min(width, 400) and svg_height > 200
    scheme = 0 if is_light else 1
    assert found["paper"] == rgb("--paper", scheme)
    assert found["ink"] == rgb("--ink", scheme)


def test_faults_are_seen(text, tmp_path):
    """An error on the console, a wide element and an image that is none."""
    faults = (
        '<script>console.error("fault")</script><p style="width: 900px">wide'
        '</p><img src="data:image/png;base64,AAAA">'
    )
    faulty = text.replace("</body>", f"{faults}</body>")
    messages, found = browse(faulty, tmp_path, 400, True)
    assert len(messages) == 1 and "fault" in messages[0]
    assert found["scroll"] > 400
    assert found["images"][-1] == 0
