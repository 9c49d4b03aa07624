"""Readers of videos: frames in order, frames by number, and sound."""

import zlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.oracle import Action, BrokenPromiseError, Target
from fuzz.targets.pictures import check_frame
from fuzz.targets.video_seeds import write_video_seeds

from cpabmm_core.files.output import atomic_path
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.lossless import is_lossless
from cpabmm_core.media.video import FrameIndex, VideoReader, VideoWriter, read_source

_SUFFIXES = (
    ".mp4",
    ".mkv",
    ".webm",
    ".avi",
    ".gif",
    ".mov",
    ".mpg",
    ".wmv",
    ".m3u8",
    ".sdp",
    ".mpd",
)
_OUTPUTS = (".mp4", ".mkv", ".webm", ".mov", ".gif")
_READ_BY_NUMBER = 4
_MOST_FRAMES = 5000


def _actions(path: Path, scratch: Path) -> Mapping[str, Action]:
    chance = zlib.crc32(path.read_bytes())
    return {
        "VideoReader": lambda: _read_all(path),
        "FrameIndex": lambda: _read_some(path, chance),
        "find_damage": lambda: open_clip(path).find_damage(),
        "read_source": lambda: check_frame(read_source(path)),
        "is_lossless": lambda: is_lossless(path),
        "VideoWriter": lambda: _copy_sound(path, scratch, _OUTPUTS[chance % len(_OUTPUTS)]),
    }


def _read_all(path: Path) -> int:
    count, last = 0, None
    with VideoReader(path) as reader:
        if reader.time_base <= 0 or reader.frame_rate <= 0:
            raise BrokenPromiseError(f"rate {reader.frame_rate}, time base {reader.time_base}")
        for frame in reader:
            if check_frame(frame.image).shape[:2] != (reader.height, reader.width):
                raise BrokenPromiseError("a frame of another size")
            if last is not None and frame.pts <= last:
                raise BrokenPromiseError("times do not increase")
            if frame.duration < 0:
                raise BrokenPromiseError("a negative duration")
            last, count = frame.pts, count + 1
            if count > _MOST_FRAMES:
                raise BrokenPromiseError("more frames than such a small file can hold")
    return count


def _read_some(path: Path, chance: int) -> int:
    index = FrameIndex(path)
    numbers = [(chance >> shift) % len(index) for shift in range(_READ_BY_NUMBER)]
    for frame in index.read(numbers):
        check_frame(frame)
    return len(index)


def _copy_sound(path: Path, scratch: Path, suffix: str) -> None:
    """Write a video with the sound of the input; another reader must understand it."""
    target = scratch / f"copy{suffix}"
    with atomic_path(target, force=True) as temporary:
        rate, base = 10, Fraction(1, 10)
        with VideoWriter(temporary, 32, 32, rate, base, audio_from=path) as writer:
            for pts in range(3):
                writer.write(np.full((32, 32, 3), 80 * pts, dtype=np.uint8), pts)
    try:
        with VideoReader(target) as written:
            if sum(1 for _ in written) != 3:
                raise BrokenPromiseError("the output does not hold its frames")
    finally:
        target.unlink()


def _compare(results: Mapping[str, Any]) -> None:
    counts = {results[name] for name in ("VideoReader", "FrameIndex") if name in results}
    if len(counts) > 1:
        raise BrokenPromiseError(f"VideoReader and FrameIndex count differently: {sorted(counts)}")


TARGET = Target(
    name="videos",
    suffixes=_SUFFIXES,
    write_seeds=write_video_seeds,
    actions=_actions,
    compare=_compare,
)
