"""Sequences of frames are found in order, and what is missing is listed."""

import numpy as np
import pytest
from PIL import Image

from noisy_student.data import frame_folders


def write(folder, names):
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        pixels = np.full((4, 4, 3), number, np.uint8)
        Image.fromarray(pixels).save(folder / name)


@pytest.fixture
def root(tmp_path):
    for kind in ("snow", "tilt"):
        for image in ("cat/b", "cat/a", "dog/a"):
            names = [f"frame{number}.png" for number in range(12)]
            write(tmp_path / kind / image, names)
    (tmp_path / "snow/cat/a/notes.txt").touch()
    return tmp_path


def test_frames_are_in_the_order_of_their_numbers(root):
    [snow, tilt] = frame_folders.open_folders(str(root), ["snow", "tilt"])
    assert (snow.kind, tilt.kind) == ("snow", "tilt")
    assert snow.paths.shape == (3, 12)
    folder = root / "snow/cat/a"
    expected = [str(folder / f"frame{number}.png") for number in range(12)]
    assert snow.paths[0].tolist() == expected
    assert snow.paths[1, 0] == str(root / "snow/cat/b/frame0.png")
    source = frame_folders.frames_of([snow.some(2), tilt])
    assert source.num_images == 60
    examples = list(source.read().as_numpy_iterator())
    assert examples[3]["record"].decode() == expected[3]
    assert examples[24]["record"].decode() == tilt.paths[0, 0]


def test_too_many_images_are_refused(root):
    [snow] = frame_folders.open_folders(str(root), ["snow"])
    assert len(snow.some(None).paths) == 3
    with pytest.raises(ValueError, match="=4 is more than the 3 sequences"):
        snow.some(4)


def test_missing_types_are_listed(root):
    kinds = ["snow", "scale", "rotate"]
    with pytest.raises(ValueError, match="lacks scale, rotate"):
        frame_folders.open_folders(str(root), kinds)
    with pytest.raises(ValueError, match="there is no directory"):
        frame_folders.open_folders(str(root / "none"), kinds)


def test_missing_frames_are_listed(root):
    (root / "tilt/cat/b/frame3.png").unlink()
    (root / "tilt/dog/a/frame7.png").unlink()
    missing = r"missing in tilt/cat/b \(3\), tilt/dog/a \(7\)"
    with pytest.raises(ValueError, match=f"frames are {missing}"):
        frame_folders.open_folders(str(root), ["snow", "tilt"])


def test_a_frame_that_all_lack_is_missed(root):
    for folder in root.glob("snow/*/*"):
        (folder / "frame5.png").unlink()
    with pytest.raises(ValueError, match=r"snow/cat/a \(5\), snow/cat/b"):
        frame_folders.open_folders(str(root), ["snow"])


def test_sequences_are_evenly_spread(root):
    [snow] = frame_folders.open_folders(str(root), ["snow"])
    chosen = snow.some(2).paths[:, 0].tolist()
    assert chosen == [snow.paths[0, 0], snow.paths[1, 0]]
    assert snow.some(3).paths.tolist() == snow.paths.tolist()


def test_videos_are_no_frames(tmp_path):
    (tmp_path / "snow/cat").mkdir(parents=True)
    (tmp_path / "snow/cat/a.mp4").touch()
    with pytest.raises(ValueError, match=r"ffmpeg -i IMAGE\.mp4"):
        frame_folders.open_folders(str(tmp_path), ["snow"])
    (tmp_path / "snow/cat/a").mkdir()
    with pytest.raises(ValueError, match=r"missing in snow/cat/a \(0, 1\)"):
        frame_folders.open_folders(str(tmp_path), ["snow"])
