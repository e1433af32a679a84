"""What docs/serving.md tells readers to type is run here, word for word."""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.data.directories import photo
from tests.export.test_outside import export
from tests.scripts import ROOT

pytestmark = pytest.mark.slow

TEXT = (ROOT / "docs/serving.md").read_text()
SNIPPETS, BLOCKS = (
    [
        code
        for found, code in re.findall(r"```(\w*)\n(.*?)```", TEXT, re.DOTALL)
        if found == language
    ]
    for language in ("python", "")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with an export in all formats, and a photograph."""
    folder = tmp_path_factory.mktemp("serving")
    export(folder / "exports/digits", "saved_model,keras,onnx,litert")
    photo(0, (300, 260)).save(folder / "cat.jpg")
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    loaded = tf.saved_model.load(str(folder / "exports/digits/saved_model/1"))
    answer = loaded.signatures["serve_encoded"]
    encoded = tf.constant([(folder / "cat.jpg").read_bytes()])
    return {name: x.numpy() for name, x in answer(encoded=encoded).items()}


def outside(code, folder):
    """Runs Python where this project is not; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
    )
    return done.stdout


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippets_run_outside(snippet, folder, expected):
    printed = outside(snippet, folder).strip().split("\n")[-1]
    if "cat.jpg" in snippet:
        assert printed == f"class_{expected['logits'].argmax():03d}"
    else:
        assert re.fullmatch(r"\[\d( \d)?\]", printed)


def test_the_examples_of_the_card_run_outside(folder):
    exported = folder / "exports/digits"
    card = (exported / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(examples) == 4
    shutil.copy(folder / "cat.jpg", exported)
    for example in examples:
        outside(example, exported)


def block_with(word):
    [block] = [block for block in BLOCKS if word in block]
    return block


def environment(folder):
    tools = pathlib.Path(sys.executable).parent
    path = f"{folder / 'bin'}:{tools}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


def shell(command, folder):
    subprocess.run(
        ["bash", "-e", "-c", command],
        check=True,
        cwd=folder,
        env=environment(folder),
        timeout=300,
    )


def test_the_command_line_of_tensorflow_runs_the_signature(folder, expected):
    command = block_with("saved_model_cli run").strip()
    shell(f"{command} --outdir out", folder)
    for name in ("logits", "probabilities"):
        found = np.load(folder / f"out/{name}.npy")
        np.testing.assert_allclose(found, expected[name], rtol=1e-5)


def test_the_request_is_json_with_the_file(folder):
    """A curl that keeps what it is given takes the place of the real one."""
    stub = folder / "bin/curl"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\n[ "$1 $2" = "-d @-" ] && cat > sent.json\n')
    stub.chmod(0o755)
    shell(block_with("curl -d"), folder)
    sent = json.loads((folder / "sent.json").read_text())
    assert sent["signature_name"] == "serve_encoded"
    [instance] = sent["instances"]
    content = base64.b64decode(instance["encoded"]["b64"], validate=True)
    assert content == (folder / "cat.jpg").read_bytes()
