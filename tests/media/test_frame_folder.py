from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import MediaError, OutputExistsError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.frame_folder import create_frame_folder
from cpabmm_core.media.timed_frames import clips_by_name


def noise(count: int, height: int = 6, width: int = 9) -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def write(path: Path, frames: NDArray[np.uint8]) -> None:
    with create_frame_folder(path) as folder:
        for pts, frame in enumerate(frames):
            folder.write(frame, pts, 1)


def test_noise_is_stored_exactly_and_in_order(tmp_path: Path) -> None:
    frames = noise(12)
    write(tmp_path / "a.b", frames)
    names = [f"{number:06d}.png" for number in range(12)]
    assert sorted(path.name for path in (tmp_path / "a.b").iterdir()) == names
    for frame, name in zip(frames, names, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.b" / name)), frame)


def test_written_folder_is_read_as_a_clip(tmp_path: Path) -> None:
    frames = noise(12)
    write(tmp_path / "a.b", frames)
    assert clips_by_name(tmp_path) == {"a.b": tmp_path / "a.b"}
    clip = open_clip(tmp_path / "a.b")
    np.testing.assert_array_equal(clip.read(range(len(clip))), frames)


def test_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with create_frame_folder(tmp_path / "a") as folder:
            folder.write(noise(1)[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_folder_with_an_older_clip_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", noise(3))
    with pytest.raises(OutputExistsError, match="not empty"):
        write(tmp_path / "a", noise(2))
    assert len(list((tmp_path / "a").iterdir())) == 3


def test_frames_of_different_sizes_are_refused(tmp_path: Path) -> None:
    def write_two_sizes() -> None:
        with create_frame_folder(tmp_path / "a") as folder:
            folder.write(noise(1)[0])
            folder.write(noise(1, 9, 6)[0])

    with pytest.raises(MediaError, match="expected frames of 9 x 6, got 6 x 9"):
        write_two_sizes()
    assert list(tmp_path.iterdir()) == []
