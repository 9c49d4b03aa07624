"""Folders of clips with the suffixes of cameras and phones, wrong suffixes and odd neighbours."""

import os
from pathlib import Path

import numpy as np
from _helpers.media_files import numbered_frame, write_test_video
from PIL import Image

FRAMES = 12
_VIDEOS = {
    "a.mp4": ("libx264", "mp4"),
    "b.MTS": ("libx264", "mpegts"),
    "c.qt": ("libx264", "mov"),
    "d.3gp": ("libx264", "3gp"),
    "e.ogv": ("libvpx", "ogg"),
    "f.M4V": ("libx264", "mp4"),
    "g.flv": ("flv", "flv"),
    "h.Mpe": ("mpeg1video", "mpeg"),
    "no-suffix": ("libx264", "mp4"),
}
CLIPS = (*_VIDEOS, "i.GIF", "j.tga", "k.JFIF", "l")
"""Names of the clips of `make_mixed_folder`, of `FRAMES` frames each."""
PASSED_OVER = ("a.mp4.part", "empty/", "link", "notes\\n2.xyz", "readme")
"""What must be named of the same folder, in natural order."""
COMPANIONS = ("a.json", "a.srt", "A.WAV", "labels.csv", "Thumbs.db", ".hidden.mp4")


def make_mixed_folder(path: Path) -> None:
    """Write a folder of `CLIPS`, of `COMPANIONS` and of what `PASSED_OVER` names."""
    path.mkdir()
    for name, (codec, muxer) in _VIDEOS.items():
        write_test_video(path / name, frames=FRAMES, codec=codec, container_format=muxer)
    make_gif(path / "i.GIF")
    for name, form in (("j.tga", "TGA"), ("k.JFIF", "JPEG")):
        _strip().save(path / name, form)
    (path / "l").mkdir()
    for number in range(FRAMES):
        Image.fromarray(numbered_frame(number)).save(path / "l" / f"{number}.jpe", "JPEG")
    for name in COMPANIONS:
        (path / name).write_bytes(b"{}")
    (path / "a.mp4.part").write_bytes((path / "a.mp4").read_bytes()[:900])
    (path / "empty").mkdir()
    (path / "link").symlink_to(path / "nowhere")
    (path / "notes\n2.xyz").write_text("nothing")
    (path / "readme").write_text("A text, which is no clip.\n" * 20)


def make_png_named_mp4(path: Path) -> None:
    """Write a strip of PNG under the name of a video."""
    _strip().save(path, "PNG")


def make_jpeg_named_png(path: Path) -> None:
    _strip().save(path, "JPEG", quality=95)


def make_mp4_named_png(path: Path) -> None:
    write_test_video(path, frames=FRAMES, container_format="mp4")


def make_gif(path: Path) -> None:
    images = [Image.fromarray(numbered_frame(number)) for number in range(FRAMES)]
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], duration=40)


def make_tiff_stack_named_jpg(path: Path) -> None:
    images = [Image.fromarray(numbered_frame(number)) for number in range(FRAMES)]
    images[0].save(path, "TIFF", save_all=True, append_images=images[1:])


def make_folder_with_pipe(path: Path) -> None:
    """Write a folder with a clip and two pipes, one of them named like a clip."""
    path.mkdir()
    write_test_video(path / "a.mp4", frames=FRAMES)
    os.mkfifo(path / "pipe")
    os.mkfifo(path / "pipe.mp4")


def make_folder_of_bytes(path: Path) -> None:
    """Write a folder with names that are no text."""
    path.mkdir()
    for name in (b"a\xff#1.mp4", b"b\xe5\n.mp4"):
        write_test_video(path / os.fsdecode(name), frames=FRAMES)
    (path / os.fsdecode(b"c\xff.xyz")).write_bytes(b"?")


def _strip() -> Image.Image:
    frames = [numbered_frame(number, 32, 32) for number in range(FRAMES)]
    return Image.fromarray(np.hstack(frames))
