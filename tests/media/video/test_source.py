from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, packet_times, write_test_video
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.image import write_image
from cpabmm_core.media.video import VideoReader, VideoWriter
from cpabmm_core.media.video.source import read_source

FACES = Path(__file__).parents[2].parent / "shared" / "data" / "faces"
needs_faces = pytest.mark.skipif(not FACES.is_dir(), reason=f"needs the real files in {FACES}")


def test_source_may_be_an_image(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", numbered_frame(5))
    np.testing.assert_array_equal(read_source(tmp_path / "a.png"), numbered_frame(5))


@pytest.mark.parametrize("name", ["a.mp4", "a.mpg", "a.webm"])
def test_source_may_be_a_video(tmp_path: Path, name: str) -> None:
    codec = {"a.mpg": "mpeg2video", "a.webm": "libvpx-vp9"}.get(name, "libx264")
    write_test_video(tmp_path / name, codec=codec)
    assert number_of(read_source(tmp_path / name)) == 0


def test_source_may_be_a_gif_or_have_the_wrong_suffix(tmp_path: Path) -> None:
    images = [Image.fromarray(numbered_frame(k)) for k in (3, 4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=40)
    write_test_video(tmp_path / "a.mp4").rename(tmp_path / "b.png")
    images[1].save(tmp_path / "c.mp4", format="PNG")
    assert number_of(read_source(tmp_path / "a.gif")) == 3
    assert number_of(read_source(tmp_path / "b.png")) == 0
    assert number_of(read_source(tmp_path / "c.mp4")) == 4


@pytest.mark.parametrize("name", ["text.png", "text.mp4", "cut.png", "missing.png"])
def test_bad_source_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.png").write_text("neither\n" * 30)
    (tmp_path / "text.mp4").write_text("neither\n" * 30)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    write_image(tmp_path / "cut.png", noise)
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:4000])
    with pytest.raises(MediaError) as caught:
        read_source(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)


@needs_faces
def test_real_portrait_with_odd_sides() -> None:
    assert read_source(FACES / "s6.jpg").shape == (725, 725, 3)


@needs_faces
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_real_video_keeps_its_frames_timestamps_and_sound(tmp_path: Path, suffix: str) -> None:
    source, target = FACES / "d18.mp4", tmp_path / f"out{suffix}"
    with (
        VideoReader(source) as reader,
        VideoWriter(target, 65, 63, 30, reader.time_base, audio_from=source) as writer,
    ):
        for frame in reader:
            writer.write(np.ascontiguousarray(frame.image[:63, :65]), frame.pts, frame.duration)
    with av.open(str(source)) as one, av.open(str(target)) as two:
        assert [f.time for f in one.decode(video=0)] == [f.time for f in two.decode(video=0)]
    assert packet_times(target, "audio") == packet_times(source, "audio")
    assert packet_times(target)[1] - packet_times(target)[0] == Fraction(1, 30)
