from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from _helpers.listening import sound_codec
from _helpers.media_files import packet_times, write_test_video
from _helpers.odd_files import display as odd
from _helpers.tiny_model import tiny_model

from cpabmm_core.errors import MediaError
from cpabmm_core.inference.animator import Animator
from cpabmm_core.inference.reconstructor import reconstruct, score_video
from cpabmm_core.inference.video import animate_video, reconstruct_video
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.timed_frames import open_frames
from cpabmm_core.media.video import SoundReport, VideoReader

MODEL = tiny_model()
# Smooth, so that lossy coding changes it little.
SOURCE = np.repeat(np.add.outer(np.arange(40), np.arange(36)).astype(np.uint8)[..., None], 3, 2)


def test_the_animation_has_the_times_and_the_sound_of_the_driving_video(tmp_path: Path) -> None:
    driving = write_test_video(
        tmp_path / "d.mp4", pts=[0, 2, 3, 7, 8], time_base=Fraction(1, 24), audio=True
    )
    calls: list[tuple[int, int | None]] = []
    with VideoReader(driving) as video:
        count = animate_video(
            Animator(MODEL, batch_size=2),
            SOURCE,
            video,
            tmp_path / "o.mp4",
            progress=lambda done, total: calls.append((done, total)),
        )
    assert count == 5
    assert calls == [(number, None) for number in range(1, 6)]
    assert packet_times(tmp_path / "o.mp4") == packet_times(driving)
    assert packet_times(tmp_path / "o.mp4", "audio") == packet_times(driving, "audio")


def test_the_file_holds_the_frames_of_the_animator(tmp_path: Path) -> None:
    driving = write_test_video(tmp_path / "d.mp4", frames=3)
    with VideoReader(driving) as video:
        animate_video(Animator(MODEL), SOURCE, video, tmp_path / "o.mp4")
        generated = list(Animator(MODEL).animate(SOURCE, (frame.image for frame in video)))
    written = [frame.image for frame in VideoReader(tmp_path / "o.mp4")]
    difference = np.abs(np.asarray(written, float) - np.asarray(generated, float))
    assert difference.mean() < 6
    assert np.std(generated) > 12


@pytest.mark.parametrize(
    ("name", "times"), [("turned.jpg", [0]), ("animated.webp", [0, 40, 140, 240])]
)
def test_a_picture_drives_as_a_video_does(tmp_path: Path, name: str, times: list[int]) -> None:
    odd.READABLE[name][0](tmp_path / name)
    with VideoReader(tmp_path / name) as video:
        assert animate_video(Animator(MODEL), SOURCE, video, tmp_path / "o.mp4") == len(times)
    assert packet_times(tmp_path / "o.mp4") == [Fraction(time, 1000) for time in times]


def test_a_video_damaged_in_the_middle_is_an_error(tmp_path: Path) -> None:
    driving = write_test_video(tmp_path / "d.mp4", frames=50, size=(320, 240))
    data = bytearray(driving.read_bytes())
    middle = slice(len(data) // 3, 2 * len(data) // 3)
    data[middle] = bytes(len(data[middle]))
    driving.write_bytes(data)
    with VideoReader(driving) as video, pytest.raises(MediaError):
        animate_video(Animator(MODEL), SOURCE, video, tmp_path / "o.mp4")


def test_a_reconstruction_is_written_and_scored(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "d.mp4", frames=5, rate=10, audio=True)
    score = reconstruct_video(MODEL, open_frames(path), tmp_path / "o.mp4", batch_size=2)
    frames = reconstruct(MODEL, (frame.image for frame in VideoReader(path)))
    expected = score_video(frame.errors for frame in frames)
    assert expected.frames == score.frames == 5
    assert score.l1 == pytest.approx(expected.l1, abs=1e-5)
    assert score.standing_still == pytest.approx(expected.standing_still, abs=1e-5)
    assert packet_times(tmp_path / "o.mp4") == packet_times(path)


def test_a_reconstruction_as_frames_is_lossless(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "d.mp4", frames=5)
    expected = list(reconstruct(MODEL, (frame.image for frame in VideoReader(path))))
    shown: list[tuple[np.ndarray, np.ndarray]] = []
    score = reconstruct_video(
        MODEL,
        open_frames(path),
        tmp_path / "o",
        as_frames=True,
        on_pair=lambda *pair: shown.append(pair),
    )
    written = open_clip(tmp_path / "o")
    assert score.frames == len(written) == 5
    np.testing.assert_array_equal(written.read(range(5)), [frame.generated for frame in expected])
    np.testing.assert_array_equal(np.array(shown), [frame[:2] for frame in expected])


def test_the_sound_is_reported_and_can_be_left_out(tmp_path: Path) -> None:
    driving = write_test_video(tmp_path / "d.mp4", frames=3, audio=True)
    reports: list[SoundReport] = []
    with VideoReader(driving) as video:
        animator = Animator(MODEL)
        animate_video(animator, SOURCE, video, tmp_path / "o.mp4", on_sound=reports.append)
        assert reports == [SoundReport("copied")]
        animate_video(
            animator, SOURCE, video, tmp_path / "n.mp4", audio="none", on_sound=reports.append
        )
    assert reports == [SoundReport("copied")]
    assert sound_codec(tmp_path / "o.mp4") == "aac"
    assert sound_codec(tmp_path / "n.mp4") is None
