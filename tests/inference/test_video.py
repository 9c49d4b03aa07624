from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import packet_times, write_test_video
from _helpers.tiny_model import tiny_model

from cpabmm_core.errors import MediaError
from cpabmm_core.inference.animator import Animator
from cpabmm_core.inference.reconstructor import reconstruct
from cpabmm_core.inference.video import animate_video, reconstruct_video
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.timed_frames import open_frames
from cpabmm_core.media.video import VideoReader

MODEL = tiny_model()
# Smooth, so that a lossy file holds nearly what was drawn.
PICTURE = np.repeat(np.add.outer(np.arange(40), np.arange(36)).astype(np.uint8)[..., None], 3, 2)


def test_the_animation_has_the_times_and_the_sound_of_the_driving_video(tmp_path: Path) -> None:
    driving = write_test_video(
        tmp_path / "d.mp4", pts=[0, 2, 3, 7, 8], time_base=Fraction(1, 24), audio=True
    )
    told: list[int] = []
    with VideoReader(driving) as video:
        count = animate_video(
            Animator(MODEL, batch_size=2), PICTURE, video, tmp_path / "o.mp4", progress=told.append
        )
    assert count == 5
    assert told == [1, 2, 3, 4, 5]
    assert packet_times(tmp_path / "o.mp4") == packet_times(driving)
    assert packet_times(tmp_path / "o.mp4", "audio") == packet_times(driving, "audio")


def test_the_animation_is_what_the_animator_draws(tmp_path: Path) -> None:
    driving = write_test_video(tmp_path / "d.mp4", frames=3)
    with VideoReader(driving) as video:
        animate_video(Animator(MODEL), PICTURE, video, tmp_path / "o.mp4")
        drawn = list(Animator(MODEL).animate(PICTURE, (frame.image for frame in video)))
    written = [frame.image for frame in VideoReader(tmp_path / "o.mp4")]
    difference = np.abs(np.asarray(written, float) - np.asarray(drawn, float))
    assert difference.mean() < 6
    assert np.std(drawn) > 12


def test_a_video_that_breaks_on_the_way_is_an_error(tmp_path: Path) -> None:
    driving = write_test_video(tmp_path / "d.mp4", frames=50, size=(320, 240))
    data = bytearray(driving.read_bytes())
    middle = slice(len(data) // 3, 2 * len(data) // 3)
    data[middle] = bytes(len(data[middle]))
    driving.write_bytes(data)
    with VideoReader(driving) as video, pytest.raises(MediaError):
        animate_video(Animator(MODEL), PICTURE, video, tmp_path / "o.mp4")


def test_a_reconstruction_is_written_with_its_scores(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "d.mp4", frames=5, rate=10, audio=True)
    drawn = reconstruct_video(MODEL, open_frames(path), tmp_path / "o.mp4", batch_size=2)
    expected = reconstruct(MODEL, (frame.image for frame in VideoReader(path)))
    assert len(list(expected)) == drawn.frames == 5
    assert drawn.l1 == pytest.approx(expected.l1, abs=1e-5)
    assert drawn.standing_still == pytest.approx(expected.standing_still, abs=1e-5)
    assert packet_times(tmp_path / "o.mp4") == packet_times(path)


def test_a_reconstruction_in_frames_is_what_was_drawn_bit_by_bit(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "d.mp4", frames=5)
    expected = list(reconstruct(MODEL, (frame.image for frame in VideoReader(path))))
    shown: list[tuple[np.ndarray, np.ndarray]] = []
    drawn = reconstruct_video(
        MODEL,
        open_frames(path),
        tmp_path / "o",
        as_frames=True,
        watch=lambda *pair: shown.append(pair),
    )
    written = open_clip(tmp_path / "o")
    assert drawn.frames == len(written) == 5
    np.testing.assert_array_equal(written.read(range(5)), [generated for _, generated in expected])
    np.testing.assert_array_equal(np.array(shown), np.array(expected))
