"""Readers that read all of a file, for tests of hostile files."""

from pathlib import Path

from cpabmm_core.config import load_config
from cpabmm_core.errors import ConfigError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.image_stack import count_pages, read_page
from cpabmm_core.media.video import FrameIndex, VideoReader


def read_video(path: Path) -> int:
    """Read all frames of a video in order."""
    with VideoReader(path) as reader:
        return sum(1 for _ in reader)


def read_by_number(path: Path) -> None:
    """Read the first and the last frame of a video."""
    index = FrameIndex(path)
    index.read([0])
    index.read([len(index) - 1])


def find_damage(path: Path) -> None:
    """Read a clip by number and look for damage in it."""
    open_clip(path).find_damage()


def read_pages(path: Path) -> None:
    """Read the first and the last page of an image."""
    read_page(path, count_pages(path) - 1)
    read_page(path, 0)


def apply_override(path: Path) -> None:
    """Apply the text of a file as an override; name the file in an error."""
    try:
        load_config("vox-256", [path.read_bytes().decode("utf-8", "surrogateescape")])
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
