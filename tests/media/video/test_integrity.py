from pathlib import Path

import pytest
from _helpers.media_files import numbered_frame, write_test_video
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.integrity import check_complete


def write_gif(path: Path) -> Path:
    images = [Image.fromarray(numbered_frame(k)) for k in range(12)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, loop=0)
    return path


def write(path: Path) -> Path:
    if path.suffix == ".gif":
        return write_gif(path)
    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    return write_test_video(path, frames=30, codec=codec, options={"g": "5"})


NAMES = ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif"]


@pytest.mark.parametrize("name", NAMES)
def test_complete_file_passes(tmp_path: Path, name: str) -> None:
    check_complete(write(tmp_path / name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError, match="truncated"):
        check_complete(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.gif"])
def test_damaged_structure_is_detected(tmp_path: Path, name: str) -> None:
    """FFmpeg skips the damaged part without an error."""
    path = write(tmp_path / name)
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(1000) + data[middle + 1000 :])
    with pytest.raises(MediaError, match="damaged"):
        check_complete(path)


def test_gif_without_its_last_byte_is_complete(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "a.gif")
    path.write_bytes(path.read_bytes()[:-1])
    check_complete(path)


def test_live_recordings_have_no_announced_end(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mkv"
    with av.open(str(path), "w", options={"live": "1"}) as output:
        stream = output.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(5):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_frame(k))))
        output.mux(stream.encode(None))
    check_complete(path)


@pytest.mark.parametrize(
    "content", [b"x", b"GIF8", b"\x1a\x45\xdf\xa3", b"\0\0\0\x08ftyp", b"text" * 9]
)
def test_fragments_do_not_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scrap"
    path.write_bytes(content)
    try:
        check_complete(path)
    except MediaError as error:
        assert str(path) in str(error)  # noqa: PT017 - either end is right
