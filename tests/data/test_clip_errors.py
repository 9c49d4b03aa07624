"""A clip that cannot be read is skipped or refused, whatever its reading raises."""

import struct
from pathlib import Path

import pytest
from _helpers.media_files import write_test_video
from _helpers.odd_files.opening import NO_VIDEOS, make_camera_avi

from cpabmm_core.config import DataConfig
from cpabmm_core.data import clip_set
from cpabmm_core.data.clip_frames import ClipFrames
from cpabmm_core.data.clip_set import clip_errors, open_clips
from cpabmm_core.errors import DataError, MediaError, ResourceError
from cpabmm_core.media.clip_types import VideoClip

ERRORS: list[Exception] = [
    RuntimeError("broken"),
    ValueError("31 is not a valid Type"),
    KeyError("key"),
    AssertionError(),
    struct.error("unpack requires a buffer"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    OSError(5, "Input/output error"),
    MediaError("bad.mp4: broken; mend it"),
]


def spoil(monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException) -> None:
    """Let a method of the clip ``bad.mp4`` raise an error."""
    real = getattr(VideoClip, method)

    def spoilt(self: VideoClip, *arguments: object) -> object:
        name = Path(str(arguments[0])).stem if method == "__init__" else self.name
        if name == "bad":
            raise error
        return real(self, *arguments)

    monkeypatch.setattr(VideoClip, method, spoilt)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("bad.mp4", "good.mp4"):
        write_test_video(tmp_path / name, size=(96, 96))
    return tmp_path


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_clip_that_cannot_be_opened_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    spoil(monkeypatch, "__init__", error)
    messages: list[str] = []
    clips = open_clips(folder, "skip", messages.append)
    assert [clip.path.name for clip in clips] == ["good.mp4"]
    assert len(messages) == 2
    assert "bad.mp4: " in messages[0]
    assert "\n" not in messages[0]
    with pytest.raises(DataError, match=r"bad\.mp4: .*set data\.on_error=skip"):
        open_clips(folder, "refuse", messages.append)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("methods", [("read",), ("read", "find_damage")])
def test_a_clip_that_fails_later_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...], error: Exception
) -> None:
    for method in methods:
        spoil(monkeypatch, method, error)
    clips = open_clips(folder, "skip", lambda _: None)
    frames = ClipFrames(clips, DataConfig(frame_size=48, on_error="skip"))
    pair = frames.pair(0, lambda numbers: numbers[:2])
    assert pair.name == "good.mp4"
    assert len(pair.notes) == 1
    assert "bad.mp4: " in pair.notes[0]
    refusing = ClipFrames(clips, DataConfig(frame_size=48, on_error="refuse"))
    with pytest.raises(DataError, match=r"bad\.mp4: .*data\.on_error=skip"):
        refusing.pair(0, lambda numbers: numbers[:2])


@pytest.mark.parametrize("error", [MemoryError(), ResourceError("full"), KeyboardInterrupt()])
def test_other_errors_are_not_about_the_clip(error: BaseException) -> None:
    with pytest.raises(type(error)), clip_errors(Path("a.mp4")):
        raise error


def test_odd_files_of_a_data_set(tmp_path: Path) -> None:
    """Frames with EXIF are read; what is no video is skipped and named."""
    names = ("notes.mp4", "script.mp4", "playlist.mov", "speech.mp4", "zeros.mp4")
    for name in names:
        NO_VIDEOS[name][0](tmp_path / name)
    make_camera_avi(tmp_path / "camera.avi")
    messages: list[str] = []
    clips = clip_set.open_clips(tmp_path, "skip", messages.append)
    assert [(clip.path.name, len(clip.clip)) for clip in clips] == [("camera.avi", 6)]
    for name in names:
        start = f"unusable clip: {tmp_path / name}: {NO_VIDEOS[name][1]}"
        assert sum(line.startswith(start) for line in messages) == 1
