"""Files of visitors: their content decides, and browsers can show the previews."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.tiny_model import tiny_model
from PIL import Image

from cpabmm_cli.web.inputs import choose_driving, choose_source
from cpabmm_core.errors import CpabmmError
from cpabmm_core.inference import InferenceModel, extract_motion
from cpabmm_core.media import VideoReader, VideoWriter, read_image

RNG = np.random.default_rng(0)
FRAMES = np.repeat(RNG.integers(0, 255, (6, 6, 8, 3), dtype=np.uint8), 8, axis=1).repeat(8, axis=2)


def write(path: Path, width: int = 64, height: int = 48, frames: int = 6) -> Path:
    with VideoWriter(path, width, height, 25, Fraction(1, 25)) as video:
        for number in range(frames):
            video.write(np.ascontiguousarray(FRAMES[number % 6, :height, :width]), number)
    return path


def codec_of(path: Path) -> tuple[str, str]:
    with av.open(str(path)) as file:
        return file.format.name, file.streams.video[0].codec_context.name


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".gif", ".bmp", ".mp4", ".txt"])
def test_the_source_is_read_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    if suffix == ".mp4":
        write(path)
    else:
        Image.fromarray(FRAMES[0]).save(path, format="png" if suffix == ".txt" else None)
    choice = choose_source(path, tmp_path)
    assert choice.label == f"picture{suffix}, 64 x 48"
    assert choice.preview is not None
    assert choice.preview.read_bytes().startswith(b"\x89PNG")
    assert np.abs(read_image(choice.preview).astype(int) - FRAMES[0]).mean() < 20


def test_a_large_picture_has_a_small_preview(tmp_path: Path) -> None:
    Image.new("RGB", (1999, 500), "red").save(tmp_path / "wide.png")
    choice = choose_source(tmp_path / "wide.png", tmp_path)
    assert choice.size == (1999, 500)
    assert choice.preview is not None
    assert read_image(choice.preview).shape == (160, 640, 3)


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.mp4", ".mp4"), ("a.mov", ".mp4"), ("a.webm", ".webm")]
)
def test_browsers_get_the_driving_video_itself(tmp_path: Path, name: str, suffix: str) -> None:
    path = write(tmp_path / name)
    choice = choose_driving(path, tmp_path)
    assert choice.preview is not None
    assert choice.preview.suffix == suffix
    assert choice.preview.read_bytes() == path.read_bytes()
    assert choice.frames == 6


@pytest.mark.parametrize("name", ["a.mkv", "a.gif", "a.webp", "a.png", "a.avi"])
def test_browsers_get_another_preview_of_what_they_cannot_play(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.mkv":
        write(path)
    elif name == "a.avi":
        with av.open(str(path), "w") as file:
            stream = file.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for frame in FRAMES:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
            file.mux(stream.encode())
    else:
        first, *others = [Image.fromarray(frame) for frame in FRAMES]
        first.save(path, save_all=True, append_images=others, duration=40)
    choice = choose_driving(path, tmp_path)
    assert choice.preview is not None
    container, codec = codec_of(choice.preview)
    assert choice.preview.suffix in (".mp4", ".webm")
    assert (("mp4" in container) and codec == "h264") or "webm" in container
    with VideoReader(choice.preview) as preview:
        assert len(list(preview)) == 6
    assert choice.thumbnail is not None
    assert read_image(choice.thumbnail).shape == (48, 64, 3)


def test_the_preview_of_a_long_animation_is_short(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", 8, 8, frames=400)
    choice = choose_driving(tmp_path / "a.gif", tmp_path)
    assert choice.preview is not None
    with VideoReader(choice.preview) as preview:
        assert len(list(preview)) == 300


def test_a_motion_file_drives_without_a_preview(tmp_path: Path) -> None:
    with VideoReader(write(tmp_path / "a.mp4")) as video:
        motion = extract_motion(
            InferenceModel(tiny_model()),
            video,
            time_base=video.time_base,
            frame_rate=video.frame_rate,
        )
    motion.save(tmp_path / "m.safetensors")
    choice = choose_driving(tmp_path / "m.safetensors", tmp_path)
    assert (choice.preview, choice.label) == (None, "m.safetensors")


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"#EXTM3U\n/etc/passwd\n", b"\x89PNG\r\n\x1a\n", b"<html></html>"],
)
@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
def test_other_content_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    for choose in (choose_source, choose_driving):
        with pytest.raises(CpabmmError) as caught:
            choose(tmp_path / name, tmp_path)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
