"""gs:// paths by TensorFlow's own file system, against a server of ours."""

import shutil

import numpy as np
import pytest

import noisy_student
from noisy_student.config.tools import MakeSettings
from noisy_student.make_records import MakeRecords
from tests import bucket_server, scripts
from tests.data.directories import write_folders


@pytest.fixture
def server(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("the server's certificate is made by openssl")
    server = bucket_server.Server(tmp_path)
    yield server
    server.shutdown()


def test_who_may_not_read_a_bucket_is_told_in_one_line(server):
    server.refused = True
    process = scripts.run(
        "--label_data_dir=gs://bucket/images", **server.environment
    )
    assert scripts.error_of(process).startswith(
        "error: gs://bucket/images cannot be reached: Error executing an HTTP "
        "request: HTTP response code 403"
    )


@pytest.mark.slow
def test_records_are_made_from_a_bucket_in_a_bucket(server, tmp_path):
    folders = {"train/cat": 3, "train/dog": 3, "unlabelled": 3}
    for path in write_folders(tmp_path / "images", folders):
        name = path.removeprefix(f"{tmp_path}/")
        server.keep(name, (tmp_path / name).read_bytes())
    made = scripts.python(
        "tools/make_records.py",
        "--input_dir=gs://bucket/images",
        "--output_dir=gs://bucket/records",
        "--num_shards=2",
        "--num_workers=2",
        **server.environment,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout == "gs://bucket/records: 9 images.\n"
    local = tmp_path / "records"
    settings = MakeSettings(
        input_dir=str(tmp_path / "images"),
        output_dir=str(local),
        num_shards=2,
        num_workers=1,
    )
    make = MakeRecords(settings)
    make.validate()
    make.run()
    names = {path.name for path in local.iterdir()}
    for name in names:
        content, _ = server.files[f"records/{name}"]
        assert content == (local / name).read_bytes()
    offsets = {f"{name}.offsets.npy" for name in names if "-of-" in name}
    there = {x.removeprefix("records/") for x in server.files if "rec" in x}
    assert there == {"", *names, *offsets}


def test_a_checkpoint_in_a_bucket_becomes_a_model_there(
    server, fixtures, tmp_path
):
    for path in (fixtures / "svhn_small").glob("model.ckpt.*"):
        server.keep(f"svhn/{path.name}", path.read_bytes())
    made = scripts.python(
        "tools/import_checkpoint.py",
        "--checkpoint=gs://bucket/svhn/model.ckpt",
        "--output=gs://bucket/new/model.keras",
        "--task_name=svhn",
        "--width_coefficient=0.25",
        "--depth_coefficient=0.34",
        **server.environment,
    )
    assert made.returncode == 0, made.stderr
    content, _ = server.files["new/model.keras"]
    (tmp_path / "model.keras").write_bytes(content)
    model = noisy_student.load_model(tmp_path / "model.keras")
    images = np.load(fixtures / "svhn_small/images.npy")
    expected = np.load(fixtures / "svhn_small/logits_ema.npy")
    np.testing.assert_allclose(model(images), expected, atol=1e-4)
