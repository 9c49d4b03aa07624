"""Files of numbers that announce or unpack to huge things end in one line, at little cost."""

import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from _helpers.bounded_reading import BoundedReading

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the peak memory of a part of a process"
)
_BAD_INPUT = 3
_GIGABYTE = 2**30
_DEEP = 100_000
_LONG = 100_000_000


def npy_header(shape: str, dtype: str = "'<f8'") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def write_npy(path: Path, shape: str = "(1099511627776, 2)") -> None:
    path.write_bytes(npy_header(shape) + bytes(64))


def write_npy_of_overflowing_shape(path: Path) -> None:
    write_npy(path, "(4294967296, 4294967296, 2)")


def write_npz(path: Path) -> None:
    array = npy_header("(1099511627776, 2)") + bytes(64)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("source", "target", "points", "real/a"):
            archive.writestr(f"{name}.npy", array)


def write_npz_bomb(path: Path) -> None:
    """Write an archive of 1 MB with an array of 1 GB."""
    rows = _GIGABYTE // 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("source", "target", "points"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(npy_header(f"({rows}, 2)"))
                for _ in range(_GIGABYTE // 2**24 if name == "source" else 0):
                    member.write(bytes(2**24))


def write_nested_json(path: Path) -> None:
    path.write_bytes(b"[" * _DEEP + b"]" * _DEEP)


def write_nested_value(path: Path) -> None:
    path.write_bytes(b'{"source": ' + b"[" * 500 + b"]" * 500 + b', "target": [], "points": []}')


def write_long_number(path: Path) -> None:
    path.write_bytes(b"[[" + b"9" * _DEEP + b", 1]]")


def write_empty_line(path: Path) -> None:
    """Write a file of zero bytes, which takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(_LONG)


def write_long_line(path: Path) -> None:
    path.write_bytes(b"1," * (_LONG // 2))


def write_long_field(path: Path) -> None:
    path.write_bytes(b"x,y\n" + b"1" * _LONG)


FILES: dict[str, Callable[[Path], None]] = {
    "shape.npy": write_npy,
    "overflow.npy": write_npy_of_overflowing_shape,
    "shape.npz": write_npz,
    "bomb.npz": write_npz_bomb,
    "nested.json": write_nested_json,
    "value.json": write_nested_value,
    "number.json": write_long_number,
    "zeros.csv": write_empty_line,
    "line.csv": write_long_line,
    "field.csv": write_long_field,
    "zeros.txt": write_empty_line,
    "line.txt": write_long_line,
}
READERS = ("read_point_pairs", "read_points", "read_weights", "read_transformations")


@pytest.fixture(scope="module")
def bounded() -> Iterator[BoundedReading]:
    with BoundedReading() as reading:
        yield reading


@pytest.fixture(scope="module", params=FILES)
def hostile(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("hostile") / request.param
    FILES[request.param](path)
    yield path
    path.unlink()


@pytest.mark.parametrize("reader", READERS)
def test_hostile_files_of_numbers_are_refused(
    bounded: BoundedReading, hostile: Path, reader: str
) -> None:
    is_plain_weights = reader == "read_weights" and hostile.name.startswith("line")
    bounded.check(
        f"cpabmm_core.pointsets:{reader}",
        hostile,
        exit_code=_BAD_INPUT,
        may_succeed=is_plain_weights,
    )


def test_an_archive_can_announce_members_that_are_never_unpacked(
    bounded: BoundedReading, tmp_path: Path
) -> None:
    """A large member that the reader does not need costs nothing."""
    buffer = io.BytesIO()
    np.save(buffer, np.full((3, 2), 0.5))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("points.npy", buffer.getvalue())
        with archive.open("other.npy", "w", force_zip64=True) as member:
            member.write(npy_header(f"({_GIGABYTE},)", "'|u1'"))
            for _ in range(_GIGABYTE // 2**24):
                member.write(bytes(2**24))
    outcome = bounded.read("cpabmm_core.pointsets:read_points", tmp_path / "a.npz")
    assert outcome.error is None
    assert outcome.megabytes < 100
