"""Motion files whose headers announce huge things end in one line, in little time and memory."""

import json
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _helpers.bounded_reading import BoundedReading

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the peak memory of a part of a process"
)
_BAD_INPUT = 3
_TERA = 2**40
_DEEP = 30_000


def header(path: Path, values: Any, data: bytes = bytes(64)) -> None:  # noqa: ANN401
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def motion(
    path: Path,
    shapes: tuple[list[int], list[int], list[int]] = ([1, 1, 2], [1], [1]),
    ends: tuple[int, int, int] = (8, 16, 24),
    **metadata: str,
) -> None:
    """Write a motion of one frame and one keypoint, with the given parts changed."""
    stated = {
        "format": "cpabmm-motion",
        "format_version": "1",
        "time_base": "1/25",
        "frame_rate": "25/1",
        "model": "0" * 64,
        **metadata,
    }
    tensors, start = {}, 0
    names, types = ("keypoints", "pts", "durations"), ("F32", "I64", "I64")
    for name, kind, shape, end in zip(names, types, shapes, ends, strict=True):
        tensors[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
        start = end
    header(path, {"__metadata__": stated, **tensors}, bytes(max(0, min(start, 1000))))


def write_long_header(path: Path) -> None:
    """Announce a header of 2^60 bytes."""
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}" + bytes(64))


def write_large_header(path: Path) -> None:
    """Write a header of 100 MB that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 10**8) + b'{"__metadata__":{"format":"cpabmm-motion"},')
        file.truncate(10**8 + 64)


def write_many_tensors(path: Path) -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    names = {f"\x1b[31m{number}": empty for number in range(_DEEP)}
    header(path, {"__metadata__": {"format": "cpabmm-motion", "format_version": "1"}, **names}, b"")


FILES: dict[str, Callable[[Path], None]] = {
    "long": write_long_header,
    "large": write_large_header,
    "nested": lambda path: header(path, b'{"__metadata__":' + b"[" * _DEEP + b"]" * _DEEP + b"}"),
    "names": write_many_tensors,
    "shape": lambda path: motion(path, ([_TERA, 50, 2], [_TERA], [_TERA])),
    "overflow": lambda path: motion(path, ([2**62, 2**62, 2], [2**62], [2**62])),
    "wrapped": lambda path: motion(path, ([2**32, 2**32, 2], [2**32], [2**32]), (0, 0, 0)),
    "no-keypoints": lambda path: motion(path, ([_TERA, 0, 2], [_TERA], [_TERA]), (0, 0, 0)),
    "no-frames": lambda path: motion(path, ([0, _TERA, 2], [0], [0]), (0, 0, 0)),
    "end": lambda path: motion(path, ends=(8, 16, 2**63)),
    "version": lambda path: motion(path, format_version="9" * _DEEP),
    "time-base": lambda path: motion(path, time_base=f"1/{'9' * _DEEP}"),
    "model": lambda path: motion(path, model="\x1b[31m" * _DEEP),
    "format": lambda path: motion(path, format="cpabmm-motion" * _DEEP),
}


@pytest.fixture(scope="module")
def bounded() -> Iterator[BoundedReading]:
    with BoundedReading() as reading:
        yield reading


def test_the_motion_that_the_others_are_made_of_is_read(
    bounded: BoundedReading, tmp_path: Path
) -> None:
    motion(tmp_path / "m.safetensors")
    assert bounded.read("_helpers.motions:load_motion", tmp_path / "m.safetensors").error is None


@pytest.mark.parametrize("name", FILES)
def test_hostile_motions_are_refused(bounded: BoundedReading, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.safetensors"
    FILES[name](path)
    bounded.check("_helpers.motions:load_motion", path, exit_code=_BAD_INPUT)
    bounded.check(
        "cpabmm_core.inference:is_motion_file", path, exit_code=_BAD_INPUT, may_succeed=True
    )
