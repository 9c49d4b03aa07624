"""Tiny videos whose headers announce huge things."""

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

from _helpers.media_files import write_test_video

_ALL_ONES = b"\xff\xff\xff\xff"
_LARGE = 16384
_SIZE = (64, 48)


def make_mp4_table(path: Path, box: bytes, distance: int, value: bytes = _ALL_ONES) -> None:
    """Write an MP4 in which a field of a box, `distance` bytes after its name, has a value."""
    write_test_video(path, frames=3, size=_SIZE, audio=True)
    _patch(path, box, distance + 4, value)


def make_large_mp4(path: Path) -> None:
    """Write an MP4 of 64 x 48 whose container announces 16384 x 16384."""
    make_mp4_table(path, b"avc1", 24, struct.pack(">HH", _LARGE, _LARGE))


def make_large_webm(path: Path) -> None:
    """Write a WebM of 320 x 304 whose container announces 16384 x 16384."""
    write_test_video(path, frames=3, size=(320, 304), codec="libvpx-vp9")
    sizes = struct.pack(">2sH2sH", b"\xb0\x82", _LARGE, b"\xba\x82", _LARGE)
    _patch(path, struct.pack(">2sH2sH", b"\xb0\x82", 320, b"\xba\x82", 304), 0, sizes)


def make_mkv_of_huge_segment(path: Path) -> None:
    """Write an MKV whose segment announces 2^56 - 2 bytes."""
    write_test_video(path, frames=3, size=_SIZE)
    _patch(path, b"\x18\x53\x80\x67", 4, b"\x01" + b"\xff" * 6 + b"\xfe")


def make_mkv_of_huge_cluster(path: Path) -> None:
    """Write an MKV with a cluster of 2^40 bytes in a segment of unstated length."""
    write_test_video(path, frames=3, size=_SIZE)
    _patch(path, b"\x18\x53\x80\x67", 4, b"\x01" + b"\xff" * 7)
    _patch(path, b"\x1f\x43\xb6\x75", 4, struct.pack(">Q", 2**40 | 1 << 56))


def make_avi_of_many_frames(path: Path) -> None:
    """Write an AVI whose headers announce 2^32 - 1 frames, at 2^32 - 1 frames per second."""
    write_test_video(path, frames=3, size=_SIZE, codec="mpeg4")
    _patch(path, b"avih", 8 + 16, _ALL_ONES)
    _patch(path, b"strh", 8 + 20, b"\x01\x00\x00\x00" + _ALL_ONES + bytes(4) + _ALL_ONES)


def make_avi_of_large_index(path: Path) -> None:
    """Write an AVI whose index announces 2^32 - 16 bytes."""
    write_test_video(path, frames=3, size=_SIZE, codec="mpeg4")
    _patch(path, b"idx1", 4, b"\xf0\xff\xff\xff")


def make_large_avi(path: Path) -> None:
    """Write an AVI of uncompressed frames of 16384 x 16384, of which 36 kB are present."""
    write_test_video(path, frames=3, size=_SIZE, codec="rawvideo", pixels="bgr24")
    _patch(path, b"strf", 8 + 4, struct.pack("<II", _LARGE, _LARGE))


def make_y4m(path: Path) -> None:
    """Write a Y4M of 10^9 by 10^9."""
    path.write_bytes(b"YUV4MPEG2 W1000000000 H1000000000 F25:1 C420jpeg\nFRAME\n" + bytes(99))


def make_gif_of_large_canvas(path: Path) -> None:
    """Write a GIF of 16000 x 16000 with a frame of 1 x 1."""
    frame = b",\0\0\0\0\1\0\1\0\0\x02\x02\x4c\x01\x00"
    path.write_bytes(
        b"GIF89a" + struct.pack("<HHBBB", 16000, 16000, 0x80, 0, 0) + bytes(6) + frame + b";"
    )


HOSTILE_VIDEOS: dict[str, Callable[[Path], None]] = {
    "sizes.mp4": partial(make_mp4_table, box=b"stsz", distance=8),
    "one-size.mp4": partial(make_mp4_table, box=b"stsz", distance=4),
    "times.mp4": partial(make_mp4_table, box=b"stts", distance=4),
    "samples-per-time.mp4": partial(make_mp4_table, box=b"stts", distance=8),
    "chunks.mp4": partial(make_mp4_table, box=b"stsc", distance=4),
    "offsets.mp4": partial(make_mp4_table, box=b"stco", distance=4),
    "keyframes.mp4": partial(make_mp4_table, box=b"stss", distance=4),
    "edits.mp4": partial(make_mp4_table, box=b"elst", distance=4),
    "entries.mp4": partial(make_mp4_table, box=b"stsd", distance=4),
    "no-time-scale.mp4": partial(make_mp4_table, box=b"mdhd", distance=12, value=bytes(4)),
    "time-scale.mp4": partial(make_mp4_table, box=b"mdhd", distance=12),
    "duration.mp4": partial(make_mp4_table, box=b"mdhd", distance=16),
    "large.mp4": make_large_mp4,
    "large.webm": make_large_webm,
    "segment.mkv": make_mkv_of_huge_segment,
    "cluster.mkv": make_mkv_of_huge_cluster,
    "frames.avi": make_avi_of_many_frames,
    "index.avi": make_avi_of_large_index,
    "large.avi": make_large_avi,
    "size.y4m": make_y4m,
    "large-canvas.gif": make_gif_of_large_canvas,
}
"""Makers, by file name."""


def _patch(path: Path, mark: bytes, distance: int, value: bytes) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(mark) + distance
    data[at : at + len(value)] = value
    path.write_bytes(data)


def make_asf_of_far_positions(path: Path) -> None:
    """Write a Windows Media file with a header of an odd size, which sends readers out of it."""
    write_test_video(path, frames=3, size=_SIZE, codec="mpeg4")
    data = bytearray(path.read_bytes())
    data[39:47] = b"\xff" * 7 + b"\x7f"
    path.write_bytes(data)


_MPEG_PADDING = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 100
EMPTY_STARTS = {
    "empty.ivf": b"DKIF" + struct.pack("<HH4sHHIIII", 0, 32, b"VP80", 64, 64, 25, 1, 10, 0),
    "empty.ts": _MPEG_PADDING,
    "empty.flv": b"FLV\x01\x01\0\0\0\x09\0\0\0\0",
    "empty.mpg": b"\0\0\1\xba\x44\0\4\0\4\1\0\0\3\xf8\0\0\1\xbb\0\x0c\x80\0\1\4\xe1\x7f\xe0\xe0\x80"
    b"\xc0\xc0\x20",
    "empty.mkv": bytes.fromhex("1a45dfa38b4282886d6174726f736b61") + b"\x18\x53\x80\x67\x01"
    b"\xff\xff\xff\xff\xff\xff\xff",
}
"""Starts of video files, by file name; zeros may follow."""
