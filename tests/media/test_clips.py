import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import (
    number_of,
    numbered_frame,
    write_test_video,
    write_video_with_empty_end,
)
from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream
from PIL import Image

from cpabmm_core.errors import DataError
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.image import read_image, write_image
from cpabmm_core.media.video import VideoReader
from cpabmm_core.media.video.decoding import decode

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
COUNT = 30


def write_strip(path: Path, count: int = COUNT, side: int = 32) -> Path:
    write_image(path, np.hstack([numbered_frame(k, side, side) for k in range(count)]))
    return path


def write_folder(path: Path, count: int = COUNT) -> Path:
    path.mkdir()
    for k in range(count):
        write_image(path / f"frame{k}.png", numbered_frame(k))
    (path / "notes.json").write_text("{}")
    (path / ".hidden.png").touch()
    return path


def write_gif(path: Path, count: int = COUNT) -> Path:
    images = [Image.fromarray(numbered_frame(k)) for k in range(count)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=40)
    return path


def make(kind: str, folder: Path) -> Path:
    if kind == "strip.png":
        return write_strip(folder / kind)
    if kind == "folder.d":
        return write_folder(folder / kind)
    if kind == "a.gif":
        return write_gif(folder / kind)
    options = {"g": "7", "bf": "3"} if kind.endswith("mp4") else {"g": "7"}
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(kind, "libx264")
    form = "mpegts" if kind == "a.ts" else None
    return write_test_video(
        folder / kind, frames=COUNT, codec=codec, options=options, container_format=form
    )


KINDS = ["a.mp4", "a.webm", "a.mkv", "a.avi", "a.ts", "a.gif", "raw.h264", "strip.png", "folder.d"]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_read_in_any_order(tmp_path: Path, kind: str) -> None:
    path = make(kind, tmp_path)
    clip = open_clip(path)
    assert len(clip) == COUNT
    assert clip.name == ("folder.d" if path.is_dir() else path.stem)
    for indices in (
        [0],
        [COUNT - 1],
        [5, 6],
        [29, 3],
        [8, 8, 2],
        [13, 14, 20, 0],
        range(COUNT),
        [],
    ):
        assert [number_of(image) for image in clip.read(indices)] == list(indices)


@pytest.mark.parametrize("kind", KINDS)
def test_clip_can_be_sent_to_another_process(tmp_path: Path, kind: str) -> None:
    clip = pickle.loads(pickle.dumps(open_clip(make(kind, tmp_path))))
    assert [number_of(image) for image in clip.read([4, 20])] == [4, 20]


@pytest.mark.parametrize("kind", ["a.mp4", "a.webm", "a.gif"])
def test_frames_equal_those_of_the_reader(tmp_path: Path, kind: str) -> None:
    path = make(kind, tmp_path)
    with VideoReader(path) as reader:
        expected = [frame.image for frame in reader]
    for index in (0, 9, COUNT - 1):
        np.testing.assert_array_equal(open_clip(path).read([index])[0], expected[index])


@pytest.mark.parametrize("index", [-1, COUNT])
@pytest.mark.parametrize("kind", ["a.mp4", "strip.png", "folder.d"])
def test_number_out_of_range_is_refused(tmp_path: Path, kind: str, index: int) -> None:
    with pytest.raises(DataError, match=r"frames 0 to 29"):
        open_clip(make(kind, tmp_path)).read([0, index])


def test_only_the_run_of_the_frame_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = open_clip(make("a.mp4", tmp_path))
    decoded = []

    def counted(
        container: InputContainer, stream: VideoStream, path: Path, *, count: int
    ) -> Iterator[AvFrame]:
        for frame in decode(container, stream, path, count=count):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr("cpabmm_core.media.video.frame_index.decode", counted)
    clip.read([COUNT - 1])
    assert len(decoded) <= 7
    decoded.clear()
    clip.read([8, 10])
    assert len(decoded) <= 7


def test_strip_is_decoded_once_for_neighbouring_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(path: Path, *, alpha: bool) -> np.ndarray:
        calls.append(path)
        return read_image(path, alpha=alpha)

    monkeypatch.setattr("cpabmm_core.media.clip_types.read_image", counted)
    clip = open_clip(write_strip(tmp_path / "a.png"))
    first = clip.read([3])[0]
    first[:] = 0
    assert number_of(clip.read([3])[0]) == 3
    assert len(calls) == 1


def test_strip_of_another_file_under_the_same_name(tmp_path: Path) -> None:
    path = write_strip(tmp_path / "a.png", count=2)
    assert len(open_clip(path)) == 2
    write_strip(path, count=5)
    assert len(open_clip(path)) == 5


def test_natural_order(tmp_path: Path) -> None:
    for name in ("clip10.mp4", "clip2.mp4", "Clip1.gif", "clip2b.mp4", "0007.png"):
        (tmp_path / name).touch()
    write_folder(tmp_path / "clip3", count=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "clip2.json").touch()
    (tmp_path / ".clip5.mp4").touch()
    found = [path.name for path in list_clips(tmp_path)]
    assert found == ["0007.png", "Clip1.gif", "clip2.mp4", "clip2b.mp4", "clip3", "clip10.mp4"]


def test_natural_order_of_names_of_digits_and_signs(tmp_path: Path) -> None:
    for name in ("²x.mp4", "1.mp4", "001.mp4", "٣.mp4", "a.mp4", "1a.mp4"):
        (tmp_path / name).touch()
    assert [path.name for path in list_clips(tmp_path)][:3] == ["001.mp4", "1.mp4", "1a.mp4"]


def test_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no clip"):
        list_clips(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        list_clips(tmp_path / "missing")


def bad_clip(kind: str, folder: Path) -> Path:
    path = folder / kind
    if kind == "still.png":
        write_image(path, numbered_frame(0))
    elif kind == "square.png":
        write_image(path, numbered_frame(0, 32, 32))
    elif kind == "empty.d":
        path.mkdir()
    elif kind == "text.mp4":
        path.write_text("no video")
    elif kind == "cut.mp4":
        whole = write_test_video(folder / "whole.mp4")
        path.write_bytes(whole.read_bytes()[:-500])
    elif kind == "cut.png":
        data = write_strip(folder / "whole.png").read_bytes()
        path.write_bytes(data[: len(data) // 2])
    return path


@pytest.mark.parametrize(
    "kind",
    ["still.png", "square.png", "empty.d", "text.mp4", "cut.mp4", "cut.png", "missing.mp4"],
)
def test_bad_clip_is_one_line_that_names_it(tmp_path: Path, kind: str) -> None:
    path = bad_clip(kind, tmp_path)
    with pytest.raises(DataError) as caught:
        open_clip(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_damage_inside_a_clip_is_found_on_reading(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=60, options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(data))
    clip = open_clip(path)
    with pytest.raises(DataError, match=r"a\.mp4: damaged after [23]\d frames"):
        clip.read(range(60))
    assert number_of(clip.read([3])[0]) == 3


def test_hidden_frames_do_not_count(tmp_path: Path) -> None:
    trimmed = write_test_video(tmp_path / "a.mp4", pts=range(-20, 10), options={"bf": "0"})
    short = write_video_with_empty_end(tmp_path / "b.mp4")
    assert [number_of(image) for image in open_clip(trimmed).read(range(10))] == [*range(20, 30)]
    assert (len(open_clip(trimmed)), len(open_clip(short))) == (10, 10)
    assert number_of(open_clip(short).read([9])[0]) == 9


def test_clip_that_changed_after_opening_is_refused(tmp_path: Path) -> None:
    clip = open_clip(write_test_video(tmp_path / "a.mp4", frames=20))
    write_test_video(tmp_path / "a.mp4", frames=10)
    with pytest.raises(DataError, match=r"a\.mp4: frame 15 does not decode"):
        clip.read([15])


def test_folder_with_frames_of_different_sizes_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", count=2)
    write_image(folder / "frame9.png", numbered_frame(9, 32, 32))
    with pytest.raises(DataError, match="differ in size"):
        open_clip(folder).read([0, 2])


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the real clips in {SHARED}")
@pytest.mark.parametrize(("name", "count"), [("taichi-mini", 13), ("actions", 57)])
def test_real_data_sets(name: str, count: int) -> None:
    paths = list_clips(SHARED / name / "train")
    assert len(paths) == count
    clip = open_clip(paths[0])
    images = clip.read([len(clip) - 1, 0])
    assert images[0].shape == images[1].shape
    assert np.abs(images[0].astype(int) - images[1]).mean() > 0.1
