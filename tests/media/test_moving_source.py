from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video
from _helpers.pipes import in_pieces, piped
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media import VideoReader, open_source, write_image


def test_picture_has_no_end(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", numbered_frame(5))
    with open_source(tmp_path / "a.png") as source:
        assert not source.is_moving
        for time in (0, 1.5, 10**9):
            image = source.frame_at(time)
            assert image is not None
            np.testing.assert_array_equal(image, source.first)
    np.testing.assert_array_equal(source.first, numbered_frame(5))


def test_frame_is_the_one_that_is_shown_at_the_time(tmp_path: Path) -> None:
    times = [0, 3, 4, 9, 30]
    path = write_test_video(tmp_path / "a.mp4", pts=times, time_base=Fraction(1, 30), rate=30)
    asked = [Fraction(n, 60) for n in range(64)]
    expected = [sum(time <= n / 2 for time in times) - 1 for n in range(62)] + [None, None]
    with open_source(path) as source:
        assert source.is_moving
        found = [source.frame_at(time) for time in asked]
    assert [None if image is None else number_of(image) for image in found] == expected


def test_same_video_as_source_and_driving_runs_in_step(tmp_path: Path) -> None:
    """Also where one container rounds its times to milliseconds."""
    rate = Fraction(30000, 1001)
    exact = write_test_video(tmp_path / "a.mp4", rate=rate, frames=60)
    rounded = write_test_video(tmp_path / "a.mkv", rate=rate, frames=60)
    for path, other in [(exact, exact), (exact, rounded), (rounded, exact)]:
        with VideoReader(other) as driving, open_source(path) as source:
            pairs = [
                (number_of(f.image), source.frame_at(float(f.pts * driving.time_base)))
                for f in driving
            ]
        assert [n for n, _ in pairs] == [number_of(i) for _, i in pairs if i is not None]


def test_source_ends_with_its_last_frame(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=10)
    with open_source(path) as source:
        assert source.frame_at(0.39) is not None
        assert source.frame_at(0.4) is None
        assert source.frame_at(7) is None


def test_first_frame_is_shown_before_a_late_start(tmp_path: Path) -> None:
    path = write_test_video(
        tmp_path / "a.mkv", pts=[25, 26], audio=True, audio_seconds=2.0, audio_start=0.0
    )
    with VideoReader(path) as reader:
        assert next(iter(reader)).pts * reader.time_base > Fraction(1, 2)
    with open_source(path) as source:
        image = source.frame_at(0)
        assert image is not None
        assert number_of(image) == 0


def test_times_must_rise(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4")
    with open_source(path) as source:
        source.frame_at(0.2)
        source.frame_at(0.2)
        with pytest.raises(ValueError, match="rising times"):
            source.frame_at(0.1)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.png"])
def test_one_frame_is_a_picture(tmp_path: Path, name: str) -> None:
    if name == "a.mp4":
        write_test_video(tmp_path / name, frames=1)
    else:
        image = Image.fromarray(numbered_frame(9))
        image.save(tmp_path / name, save_all=True)
    with open_source(tmp_path / name) as source:
        assert not source.is_moving


def rgba(number: int, alpha: int) -> np.ndarray:
    opaque = np.full((48, 64, 1), 255, dtype=np.uint8)
    opaque[:, :8] = alpha
    return np.concatenate([numbered_frame(number), opaque], axis=2)


@pytest.mark.parametrize("form", ["webp", "png"])
def test_transparency_of_an_animation_is_kept_on_request(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.{form}"
    frames = [rgba(1, 100), rgba(2, 255)]
    images = [Image.fromarray(frame) for frame in frames]
    options: dict[str, Any] = {"lossless": True, "exact": True} if form == "webp" else {}
    images[0].save(path, save_all=True, append_images=images[1:], duration=100, **options)
    with open_source(path, alpha=True) as source:
        np.testing.assert_array_equal(source.first, frames[0])
        np.testing.assert_array_equal(source.frame_at(0.1), frames[1])
    with open_source(path) as source:
        assert source.first.shape == (48, 64, 3)


def test_transparency_of_a_video_is_kept_on_request(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libvpx-vp9", 25, options={"lossless": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(rgba(number, 100), "rgba")
            output.mux(stream.encode(frame.reformat(format="yuva420p")))
        output.mux(stream.encode(None))
    with open_source(path, alpha=True) as source:
        image = source.frame_at(0.08)
    assert image is not None
    np.testing.assert_array_equal(image[..., 3], rgba(0, 100)[..., 3])
    assert number_of(image[..., :3]) == 2


def test_opaque_source_has_three_channels(tmp_path: Path) -> None:
    """Formats such as GIF always have a fourth one."""
    images = [Image.fromarray(numbered_frame(number)) for number in (3, 4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=40)
    Image.fromarray(rgba(1, 255)).save(tmp_path / "a.png")
    for name in ("a.gif", "a.png"):
        with open_source(tmp_path / name, alpha=True) as source:
            assert source.first.shape == (48, 64, 3)


def test_folder_of_frames_may_mix_opaque_and_transparent_ones(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        pixels = numbered_frame(number) if number == 2 else rgba(number, 0)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    with open_source(tmp_path, alpha=True) as source:
        found = [source.frame_at(time) for time in (0.0, 0.04, 0.08)]
    numbers = [number_of(image[:, 16:, :3]) if image is not None else None for image in found]
    assert len(set(numbers)) == 3
    assert [image is not None and int(image[0, 0, 3]) for image in found] == [0, 255, 0]


def test_damaged_source_is_told_when_it_is_reached(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.y4m", codec="wrapped_avframe", frames=9)
    data = path.read_bytes()
    with piped(in_pieces(data[:-2000])) as (stream, _), open_source("-", stdin=stream) as source:
        assert source.frame_at(0.2) is not None
        with pytest.raises(MediaError, match=r"^standard input: ends too early, after 8 frames"):
            source.frame_at(0.4)
