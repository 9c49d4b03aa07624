from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video
from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import VideoReader, opening
from cpabmm_core.media.video.decoding import decode
from cpabmm_core.media.video.frame_index import FrameIndex

COUNT = 36
GROUP = 8

ENCODINGS = {
    "open.mp4": ("libx264", {"g": str(GROUP), "bf": "3", "b_strategy": "0"}),
    "closed.mp4": ("libx264", {"g": str(GROUP), "bf": "3", "flags": "+cgop"}),
    "a.mov": ("libx264", {"g": str(GROUP), "bf": "2"}),
    "a.webm": ("libvpx-vp9", {"g": str(GROUP), "auto-alt-ref": "1", "lag-in-frames": "16"}),
    "a.mkv": ("libx264", {"g": str(GROUP), "bf": "3"}),
    "a.avi": ("mpeg4", {"g": str(GROUP)}),
}


def write(name: str, folder: Path) -> Path:
    path = folder / name
    if name.endswith(".gif"):
        images = [Image.fromarray(numbered_frame(k)) for k in range(COUNT)]
        images[0].save(path, save_all=True, append_images=images[1:], duration=40)
        return path
    codec, options = ENCODINGS[name]
    return write_test_video(path, frames=COUNT, codec=codec, options=options)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Collect the timestamp of every frame that an index decodes."""
    seen: list[int | None] = []

    def counted(
        container: InputContainer, stream: VideoStream, path: Path, *, count: int = 0
    ) -> Iterator[AvFrame]:
        for frame in decode(container, stream, path, count=count):
            seen.append(frame.pts)
            yield frame

    monkeypatch.setattr("cpabmm_core.media.video.frame_index.decode", counted)
    return seen


@pytest.mark.parametrize("name", [*ENCODINGS, "a.gif"])
def test_every_single_frame_equals_that_of_the_whole_video(tmp_path: Path, name: str) -> None:
    path = write(name, tmp_path)
    with VideoReader(path) as reader:
        expected = [frame.image for frame in reader]
    index = FrameIndex(path)
    assert len(index) == len(expected) == COUNT
    for number in np.random.default_rng(0).permutation(COUNT).tolist():
        np.testing.assert_array_equal(index.read([number])[0], expected[number])


@pytest.mark.parametrize("name", ENCODINGS)
def test_reading_a_pair_decodes_only_its_two_runs(
    tmp_path: Path, name: str, decoded: list[int | None]
) -> None:
    index = FrameIndex(write(name, tmp_path))
    for pair in ([0, 35], [7, 20], [21, 22]):
        decoded.clear()
        index.read(pair)
        assert 2 <= len(decoded) <= 2 * GROUP < COUNT


def test_neighbours_are_decoded_in_one_pass(tmp_path: Path, decoded: list[int | None]) -> None:
    index = FrameIndex(write("open.mp4", tmp_path))
    decoded.clear()
    index.read([15, 12])
    assert len(decoded) == len(set(decoded)) <= GROUP


def test_opening_decodes_only_the_last_run(tmp_path: Path, decoded: list[int | None]) -> None:
    FrameIndex(write("open.mp4", tmp_path))
    assert len(decoded) <= GROUP


def corrupt(path: Path, first: int, count: int) -> None:
    data = bytearray(path.read_bytes())
    data[first : first + count] = bytes(count)
    path.write_bytes(bytes(data))


def fails(index: FrameIndex, number: int) -> bool:
    try:
        index.read([number])
    except MediaError:
        return True
    return False


@pytest.mark.parametrize("name", ["open.mp4", "closed.mp4", "a.avi"])
def test_damage_lists_the_unreadable_frames(tmp_path: Path, name: str) -> None:
    path = write(name, tmp_path)
    whole = path.read_bytes()
    assert FrameIndex(path).find_damage() == {}
    found = 0
    for share in (0.25, 0.4, 0.5, 0.6):
        path.write_bytes(whole)
        index = FrameIndex(path)
        corrupt(path, int(share * len(whole)), 300)
        try:
            damage = index.find_damage()
        except MediaError:  # opening detects the damage
            continue
        lost = {number for number in range(COUNT) if fails(index, number)}
        assert damage.keys() == lost
        assert all(reason.startswith(f"{path}: ") for reason in damage.values())
        found += 0 < len(lost) < COUNT
    assert found


def test_damage_of_a_video_without_timestamps(tmp_path: Path) -> None:
    path = write_test_video(
        tmp_path / "raw.h264", frames=COUNT, codec="libx264", options={"g": "8", "bf": "0"}
    )
    index = FrameIndex(path)
    assert index.find_damage() == {}
    corrupt(path, path.stat().st_size // 2, 300)
    damage = index.find_damage()
    assert damage
    assert damage.keys() == set(range(min(damage), COUNT))
    index.read(range(min(damage)))


def test_video_that_cannot_be_read_from_the_middle_is_read_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("open.mp4", tmp_path)
    opened = opening.open_input

    class Unseekable:
        def __init__(self, container: InputContainer) -> None:
            self._container = container

        def __getattr__(self, name: str) -> object:
            return getattr(self._container, name)

        def seek(self, *_: object, **__: object) -> None:
            raise av.error.PermissionError(1, "Operation not permitted")

    @contextmanager
    def without_seeking(path: Path) -> Iterator[Unseekable]:
        with opened(path) as container:
            yield Unseekable(container)

    monkeypatch.setattr("cpabmm_core.media.video.frame_index.open_input", without_seeking)
    index = FrameIndex(path)
    assert len(index) == COUNT
    assert number_of(index.read([20])[0]) == 20


def test_damage_of_a_deleted_video(tmp_path: Path) -> None:
    path = write("open.mp4", tmp_path)
    index = FrameIndex(path)
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        index.find_damage()
