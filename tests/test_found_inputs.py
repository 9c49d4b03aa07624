"""Inputs that fuzzing found (tests/fuzz): each ends in one line or is read, and prints nothing."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _helpers.bounded_reading import BoundedReading
from _helpers.odd_files.hostile_pictures import tiff

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the peak memory of a part of a process"
)
_BAD_INPUT, _BAD_CONFIGURATION = 3, 4

CONFIGURATIONS = {
    "tag-without-value": b"!!int",
    "tag-of-another-type": b"!!int c",
    "no-such-day": b"data: {frame_size: 2024-13-45}",
    "brackets": b"[" * 1000,
    "unknown-base": b"extends: taichi.{}",
    "section-that-is-a-value": b"training: 3\ndata: 4",
    "infinite": b"training: {betas: [0.5, .inf]}",
    "not-a-number": b"training: {betas: [0.5, .nan]}",
    "escape-sequence": b'"\\e[31mdata": 1',
}
OVERRIDES = {"not-utf-8": b"training.betas=[0.5, .i\x97f]", "list": b"training.seed=" + b"[" * 1000}
PICTURES = {
    "incompatible-type.tif": tiff(8, 8, 1, [(259, 3, 1, 8), (284, 2, 1, 1)]),
    "bad-deflate.tif": tiff(8, 8, 1, [(259, 3, 1, 8)]),
    "bad-fax.tif": tiff(8, 8, 1, [(258, 3, 1, 1), (259, 3, 1, 4)]),
    "no-rows.tif": tiff(8, 8, 1, [(259, 3, 1, 8), (278, 4, 1, 0)]),
    "long-tag.tif": tiff(8, 8, 1, [(270, 2, 10**6, 8)]),
    "many-entries.tif": tiff(8, 8, 1, [(283, 5, 128, 8)]),
}
_EBML = b"\x1a\x45\xdf\xa3"
VIDEOS = {
    "header-of-2-to-56.webm": _EBML + b"\x01\xff\xff\xff\xff\xff\xff\xfe" + bytes(64),
    "element-of-2-to-56.mkv": _EBML
    + b"\x80\x18\x53\x80\x67\xc0\xec\x01"
    + b"\xff" * 6
    + b"\xfe"
    + bytes(64),
}
NUMBERS = {
    "long-line.csv": b"x" * 8000,
    "long-field.csv": b"x,y\n" + b"z" * 8000 + b",1\n",
    "unfinished-quote.csv": b'"a"b\tc\n1\t2\n',
}


@pytest.fixture(scope="module")
def bounded() -> Iterator[BoundedReading]:
    with BoundedReading() as reading:
        yield reading


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations(bounded: BoundedReading, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_bytes(CONFIGURATIONS[name])
    bounded.check("cpabmm_core.config:load_config", path, exit_code=_BAD_CONFIGURATION)


@pytest.mark.parametrize("name", OVERRIDES)
def test_overrides(bounded: BoundedReading, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.set"
    path.write_bytes(OVERRIDES[name])
    bounded.check("_helpers.whole_readers:apply_override", path, exit_code=_BAD_CONFIGURATION)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("reader", ["image:read_image", "image:is_image", "video:read_source"])
def test_pictures(bounded: BoundedReading, tmp_path: Path, name: str, reader: str) -> None:
    path = tmp_path / name
    path.write_bytes(PICTURES[name])
    reader = f"cpabmm_core.media.{reader}"
    bounded.check(reader, path, exit_code=_BAD_INPUT, may_succeed=True)


@pytest.mark.parametrize("name", VIDEOS)
@pytest.mark.parametrize("reader", ["read_video", "read_by_number", "find_damage"])
def test_videos(bounded: BoundedReading, tmp_path: Path, name: str, reader: str) -> None:
    path = tmp_path / name
    path.write_bytes(VIDEOS[name])
    bounded.check(f"_helpers.whole_readers:{reader}", path, exit_code=_BAD_INPUT)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("reader", ["read_points", "read_weights", "read_point_pairs"])
def test_files_of_numbers(bounded: BoundedReading, tmp_path: Path, name: str, reader: str) -> None:
    path = tmp_path / name
    path.write_bytes(NUMBERS[name])
    bounded.check(f"cpabmm_core.pointsets:{reader}", path, exit_code=_BAD_INPUT)
