from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from _helpers.media_files import number_of, numbered_frame

from cpabmm_core.media import open_driving, open_source, show_notices, write_image
from cpabmm_core.media.strips import count_strip_frames
from cpabmm_core.puppets import render_puppet

PHOTOS = ("astronaut", "coffee", "chelsea", "camera", "coins", "brick", "grass", "moon", "clock")


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("ratio", [2, 3])
def test_photo_is_one_picture_wherever_it_is_cut(name: str, ratio: int) -> None:
    load: Callable[[], np.ndarray] = getattr(skimage.data, name)
    photo = np.atleast_3d(load())[..., :3]
    side = min(photo.shape[0], photo.shape[1] // ratio)
    for top in {0, (photo.shape[0] - side) // 2, photo.shape[0] - side}:
        assert count_strip_frames(photo[top : top + side, : ratio * side]) == 1


@pytest.mark.parametrize("step", [1, 8])
@pytest.mark.parametrize("seed", range(4))
def test_frames_of_a_video_are_a_strip(seed: int, step: int) -> None:
    video = render_puppet(seed=seed, index=seed, split="test", frames=17, size=64)
    frames = [np.asarray(frame) for frame in video.frames][::step]
    assert count_strip_frames(np.concatenate(frames, axis=1)) == len(frames)


def test_horizon_makes_no_strip() -> None:
    """The rows of both halves are alike, but not what is in them."""
    rng = np.random.default_rng(0)
    sky = np.linspace(255, 0, 64).repeat(128 * 3).reshape(64, 128, 3)
    photo = np.clip(sky + rng.normal(0, 20, sky.shape), 0, 255).astype(np.uint8)
    assert count_strip_frames(photo) == 1
    assert count_strip_frames(sky.astype(np.uint8)) == 1


@pytest.mark.parametrize("shape", [(64, 64), (64, 100), (100, 50), (64, 129), (1, 1)])
def test_other_shapes_are_one_picture(shape: tuple[int, int]) -> None:
    assert count_strip_frames(np.zeros((*shape, 3), dtype=np.uint8)) == 1


def test_notice_tells_how_an_image_was_read(tmp_path: Path) -> None:
    squares = [numbered_frame(number, 64, 64) for number in (3, 7, 11)]
    strip, photo = tmp_path / "strip.png", tmp_path / "photo.png"
    write_image(strip, np.concatenate(squares, axis=1))
    write_image(photo, skimage.data.coffee()[:300, :600])
    notices: list[str] = []
    with show_notices(notices.append):
        with open_driving(strip) as frames:
            assert [number_of(frame.image) for frame in frames] == [3, 7, 11]
            assert (frames.width, frames.height) == (64, 64)
        with open_source(strip) as source:
            assert source.is_moving
        with open_source(photo) as source:
            assert not source.is_moving
            assert source.first.shape == (300, 600, 3)
    as_strip = f"{strip}: read as a strip of 3 frames, as its squares resemble each other"
    assert notices[:2] == [as_strip, as_strip]
    assert notices[2].startswith(f"{photo}: read as one picture, not as a strip, ")
    assert len(notices) == 3
