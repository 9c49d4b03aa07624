"""Checkpoints whose headers announce huge things end in one line, in little time and memory."""

import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from _helpers.bounded_reading import BoundedReading
from _helpers.published_model import narrow_networks
from safetensors.torch import save_file

from cpabmm_core.config import Config

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the peak memory of a part of a process"
)
_BAD_CHECKPOINT = 4
_DEEP = 100_000
_TERA = 2**40
_FOMM_HEATMAPS = "kp_detector.kp.weight"
_FOMM_INPUT = "generator.dense_motion_network.hourglass.encoder.down_blocks.0.conv.weight"
_LIST = '{"a":%s}' % ("[" * _DEEP + "]" * _DEEP)


def safetensors(path: Path, header: bytes, data: bytes = bytes(64)) -> None:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def own(path: Path, tensors: dict[str, Any] | None = None, **metadata: str) -> None:
    """Write a checkpoint of cpabmm with given metadata."""
    values = {"format": "cpabmm", "format_version": "2", "record": "{}", "config": "{}", **metadata}
    one = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = {"__metadata__": values, **(tensors or {"a": one})}
    safetensors(path, json.dumps(header).encode(), bytes(4))


def tensor(shape: list[int], end: int = 64) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}


def write_long_header(path: Path) -> None:
    """Announce a header of 2^60 bytes."""
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}" + bytes(64))


def write_large_header(path: Path) -> None:
    """Write a header of 100 MB that takes no room on the disk."""
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 10**8) + b"{")
        file.truncate(10**8 + 64)


def write_many_tensors(path: Path) -> None:
    empty = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    safetensors(path, ("{" + ",".join(f'"{i}":{empty}' for i in range(_DEEP)) + "}").encode(), b"")


def write_config(path: Path, key: str, value: float) -> None:
    """Write a checkpoint whose configuration asks for a huge network."""
    config = Config().model_dump(mode="json")
    section, name = key.split(".")
    config["model"][section][name] = value
    own(path, config=json.dumps(config))


def write_deep_config(path: Path, levels: int) -> None:
    """Write a configuration that JSON can express, but that is deeper than any."""
    own(path, config='{"a":' * levels + "1" + "}" * levels)


def write_many_own_tensors(path: Path) -> None:
    """Announce as many tensors as a header holds that is read."""
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    many = {f"a.{i}": empty for i in range(_DEEP // 2)}
    own(path, {**many, **tensor([1], end=4)}, config=Config().model_dump_json())


def write_long_names(path: Path) -> None:
    """Announce tensors whose names are long, and which a terminal would obey."""
    one = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    names = [f"\x1b[31m{i}" + "x" * _DEEP for i in range(5)]
    own(
        path, {**dict.fromkeys(names, one), **tensor([1], end=4)}, config=Config().model_dump_json()
    )


def write_nested_name(path: Path) -> None:
    """Announce tensors whose names consist of a million parts."""
    one = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    safetensors(path, json.dumps({"a." * 10**6 + end: one for end in "ab"}).encode(), b"")


def write_odd_tensor(path: Path, name: str, tensor: torch.Tensor) -> None:
    """Write a small file of FOMM with a tensor of an impossible name or shape."""
    networks = narrow_networks("fomm")
    tensors = {f"{n}.{key}": value for n, each in networks.items() for key, value in each.items()}
    save_file({**tensors, name: tensor}, path)


def write_largest_config(path: Path) -> None:
    """Write a checkpoint whose configuration asks for the largest networks that it may."""
    config = Config().model_dump(mode="json")
    config["model"]["keypoints"].update(groups=10_000, points_per_group=10_000)
    for section in ("inpainting", "dense_motion"):
        config["model"][section].update(block_expansion=65_536, max_features=65_536)
    own(path, config=json.dumps(config))


def write_directory_without_entries(path: Path) -> None:
    """Write a zip file whose directory has no entry where its end says."""
    torch.save({"weight": torch.zeros(7)}, path)
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x00\x00"))


def write_name_in_no_encoding(path: Path) -> None:
    """Write a zip file with a name that says it is UTF-8, and is not."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl\xe9", "3")
    path.write_bytes(path.read_bytes().replace("\xe9".encode(), b"\xff\xff"))


def patched_pickle(number: int) -> bytes:
    """Return the pickle of a tensor of seven numbers that announces another count of them."""
    archive = io.BytesIO()
    torch.save({"weight": torch.zeros(7)}, archive)
    with zipfile.ZipFile(archive) as file:
        [name] = [name for name in file.namelist() if name.endswith("data.pkl")]
        text = file.read(name)
    return text.replace(b"K\x07", b"\x8a\x08" + number.to_bytes(8, "little"))


def write_large_tensor(path: Path) -> None:
    archive = io.BytesIO()
    torch.save({"weight": torch.zeros(7)}, archive)
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(
                name, patched_pickle(_TERA) if name.endswith("data.pkl") else old.read(name)
            )


def write_large_legacy_tensor(path: Path) -> None:
    torch.save({"weight": torch.zeros(7)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes().replace(b"K\x07", b"\x8a\x08" + _TERA.to_bytes(8, "little"))
    path.write_bytes(data[:-36] + struct.pack("<Q", _TERA) + data[-28:])


def write_zip_bomb(path: Path) -> None:
    """Write a zip file of 1 MB with a pickle of 1 GB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a/version", "3")
        with archive.open("a/data.pkl", "w", force_zip64=True) as member:
            for _ in range(64):
                member.write(bytes(2**24))


def write_long_pickled_string(path: Path) -> None:
    """Announce a string of 2^60 bytes in a pickle."""
    path.write_bytes(b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"a.")


def write_deep_pickle(path: Path) -> None:
    path.write_bytes(b"\x80\x02" + b"(" * 10**6 + b"l" * 10**6 + b".")


FILES: dict[str, Callable[[Path], None]] = {
    "long-header.safetensors": write_long_header,
    "large-header.safetensors": write_large_header,
    "nested.safetensors": lambda path: safetensors(path, _LIST.encode()),
    "shape.safetensors": lambda path: own(path, tensor([_TERA])),
    "overflow.safetensors": lambda path: own(path, tensor([2**62, 2**62])),
    "wrapped.safetensors": lambda path: own(path, tensor([2**32, 2**32], end=0)),
    "end.safetensors": lambda path: own(path, tensor([1], end=2**63)),
    "many.safetensors": write_many_tensors,
    "config.safetensors": lambda path: own(path, config=_LIST),
    "record.safetensors": lambda path: own(path, record=_LIST),
    "version.safetensors": lambda path: own(path, format_version="9" * _DEEP),
    "wide.safetensors": lambda path: write_config(path, "inpainting.block_expansion", 10**6),
    "groups.safetensors": lambda path: write_config(path, "keypoints.groups", 10**9),
    "cells.safetensors": lambda path: write_config(path, "cpab.cells", 10**4),
    "blocks.safetensors": lambda path: write_config(path, "dense_motion.blocks", 10**6),
    "frame.safetensors": lambda path: write_config(path, "dense_motion.scale_factor", 2**-1000),
    "iterations.safetensors": lambda path: write_config(path, "cpab.paper_iterations", 10**400),
    "deep-config.safetensors": lambda path: write_deep_config(path, 700),
    "many-own.safetensors": write_many_own_tensors,
    "names.safetensors": write_long_names,
    "nested-name.safetensors": write_nested_name,
    "number.safetensors": lambda path: write_odd_tensor(
        path, f"generator.bottleneck.r{'9' * 5000}.conv1.weight", torch.ones(1)
    ),
    "scalar.safetensors": lambda path: write_odd_tensor(path, _FOMM_HEATMAPS, torch.tensor(1.0)),
    "vector.safetensors": lambda path: write_odd_tensor(path, _FOMM_INPUT, torch.ones(4)),
    "empty.safetensors": lambda path: write_odd_tensor(path, _FOMM_HEATMAPS, torch.empty(0, 2**40)),
    "largest.safetensors": write_largest_config,
    "directory.pth": write_directory_without_entries,
    "encoding.pth": write_name_in_no_encoding,
    "tensor.pth": write_large_tensor,
    "legacy.pth": write_large_legacy_tensor,
    "bomb.pth": write_zip_bomb,
    "string.pth": write_long_pickled_string,
    "deep.pth": write_deep_pickle,
}


@pytest.fixture(scope="module")
def bounded() -> Iterator[BoundedReading]:
    with BoundedReading() as reading:
        yield reading


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("reader", ["open_checkpoint", "convert_checkpoint", "read_header"])
def test_hostile_checkpoints_are_refused(
    bounded: BoundedReading, tmp_path: Path, name: str, reader: str
) -> None:
    path = tmp_path / name
    FILES[name](path)
    # The header alone does not build the model, so it may state any size.
    may_succeed = reader == "read_header" and name.endswith("safetensors")
    bounded.check(
        f"cpabmm_core.checkpoint:{reader}", path, exit_code=_BAD_CHECKPOINT, may_succeed=may_succeed
    )
