"""Pictures through a pipe: one, an animation, or many that follow each other."""

import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video
from _helpers.pipes import in_pieces, piped
from PIL import Image

from cpabmm_core.errors import InputLost, MediaError, ResourceError
from cpabmm_core.media import open_driving, open_source, show_notices
from cpabmm_core.media.piped import BytePipe, spool
from cpabmm_core.media.piped.spool import spooled


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the system for temporary files, in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def encoded(number: int, form: str, *, side: int = 48) -> bytes:
    content = io.BytesIO()
    options = {"quality": 95} if form == "JPEG" else {}
    Image.fromarray(numbered_frame(number, 64, side)).save(content, form, **options)
    return content.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF", "AVIF", "GIF"])
def test_picture_is_one_frame(form: str, temporary_folder: Path) -> None:
    with piped(in_pieces(encoded(5, form))) as (stream, _):
        with open_driving("-", stdin=stream) as frames:
            [frame] = frames
            assert (frames.width, frames.height) == (64, 48)
        assert number_of(frame.image) == 5
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize("form", ["WEBP", "PNG", "GIF", "AVIF"])
def test_animation_keeps_its_delays(form: str, temporary_folder: Path) -> None:
    content = io.BytesIO()
    images = [Image.fromarray(numbered_frame(number)) for number in (1, 2, 3)]
    delays = [40, 120, 80]
    images[0].save(content, form, save_all=True, append_images=images[1:], duration=delays)
    with piped(in_pieces(content.getvalue())) as (stream, _):
        with open_driving("-", stdin=stream) as frames:
            found = [
                (number_of(f.image), float(f.pts * frames.time_base), f.duration) for f in frames
            ]
        assert [number for number, _, _ in found] == [1, 2, 3]
        assert [time for _, time, _ in found] == pytest.approx([0, 0.04, 0.16])
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize("form", ["PNG", "PPM", "BMP", "JPEG"])
def test_pictures_one_after_another_are_frames_as_they_come(form: str) -> None:
    """As `ffmpeg -f image2pipe` writes them."""
    count = 80
    pictures = [encoded(number, form) for number in range(count)]
    with (
        piped(pictures, delay=0.002, stalls=True) as (stream, writer),
        open_driving("-", stdin=stream) as frames,
    ):
        assert writer.sent < sum(map(len, pictures))
        numbers: list[int] = []
        for frame in frames:
            numbers.append(number_of(frame.image))
            if len(numbers) == count - 10:  # the rest is not needed for these
                writer.hold.set()
    assert numbers == list(range(count))


@pytest.mark.parametrize("form", ["PNG", "PPM", "BMP"])
def test_sequence_that_ends_within_a_picture(form: str) -> None:
    data = b"".join(encoded(number, form) for number in range(5))
    numbers: list[int] = []
    with (
        piped(in_pieces(data[:-20])) as (stream, _),
        open_driving("-", stdin=stream) as frames,
        pytest.raises(InputLost, match=r"^standard input: ends too early, after 4 pictures; "),
    ):
        numbers.extend(number_of(frame.image) for frame in frames)
    assert numbers == [0, 1, 2, 3]


def test_sequence_with_a_picture_of_another_size_or_with_damage() -> None:
    start = encoded(0, "PNG") + encoded(1, "PNG")
    damaged = bytearray(encoded(2, "PNG"))
    damaged[-40:-20] = bytes(20)
    for end, words in [
        (encoded(2, "PNG", side=32), "picture 2 has another size"),
        (bytes(damaged), "picture 2 is damaged"),
    ]:
        with (
            piped([start + end]) as (stream, _),
            open_driving("-", stdin=stream) as frames,
            pytest.raises(InputLost, match=f"^standard input: {words}"),
        ):
            list(frames)


def test_sequence_can_be_read_once_and_stopped() -> None:
    pictures = [encoded(number, "PNG") for number in range(5)]
    with (
        piped(pictures, stalls=True) as (stream, _),
        open_driving("-", stdin=stream) as frames,
    ):
        iteration = iter(frames)
        assert number_of(next(iteration).image) == 0
        frames.stop()
        assert list(iteration) == []
        with pytest.raises(MediaError, match="only once"):
            next(iter(frames))


def test_strip_is_told_by_the_name_of_the_pipe() -> None:
    squares = [numbered_frame(number, 64, 64) for number in (3, 7, 11)]
    content = io.BytesIO()
    Image.fromarray(np.concatenate(squares, axis=1)).save(content, "PNG")
    notices: list[str] = []
    with (
        show_notices(notices.append),
        piped([content.getvalue()]) as (stream, _),
        open_driving("-", stdin=stream) as frames,
    ):
        assert [number_of(frame.image) for frame in frames] == [3, 7, 11]
    assert notices == [
        "standard input: read as a strip of 3 frames, as its squares resemble each other"
    ]


def test_transparency_of_a_piped_source_is_kept() -> None:
    pixels = np.zeros((8, 12, 4), dtype=np.uint8)
    pixels[:, 6:] = (10, 20, 30, 128)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    with (
        piped([content.getvalue()]) as (stream, _),
        open_source("-", stdin=stream, alpha=True) as source,
    ):
        np.testing.assert_array_equal(source.first[..., 3], pixels[..., 3])


def test_damage_of_a_stored_video_names_the_pipe(tmp_path: Path, temporary_folder: Path) -> None:
    data = bytearray(write_test_video(tmp_path / "a.mp4", frames=60).read_bytes())
    start = data.index(b"mdat") + 1500
    data[start : start + 400] = os.urandom(400)
    with piped([bytes(data)]) as (stream, _), open_driving("-", stdin=stream) as frames:
        assert frames.path is not None
        assert frames.path.exists()
        with pytest.raises(MediaError, match=r"^standard input: damaged after \d+ frames"):
            list(frames)
    assert list(temporary_folder.iterdir()) == []


def test_stored_video_is_bounded_and_deleted(
    tmp_path: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_test_video(tmp_path / "a.mp4", frames=60).read_bytes()
    with (
        piped([data]) as (stream, _),
        pytest.raises(MediaError, match=r"^standard input: is larger than 0 MB; "),
        spooled(BytePipe(stream, "standard input"), largest=2000),
    ):
        pass
    assert list(temporary_folder.iterdir()) == []

    def full(pipe: BytePipe, path: Path, largest: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "_copy", full)
    with piped([data]) as (stream, _), pytest.raises(ResourceError, match="no space left"):
        open_driving("-", stdin=stream)
    assert list(temporary_folder.iterdir()) == []
