import argparse
import errno
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors
import torch
from _helpers.system import limited_file_size
from safetensors.torch import load_file, save_file
from torch import Tensor

from cpabmm_core.errors import CheckpointError, ResourceError
from cpabmm_core.files.tensors import (
    read_safetensors,
    read_tensor_file,
    tensor_format,
    write_safetensors,
)

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


def assert_tensors(found: dict[str, Tensor]) -> None:
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())


def test_both_formats_are_recognised_by_content(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.bin")
    torch.save(TENSORS, tmp_path / "b.bin")
    torch.save(TENSORS, tmp_path / "c.bin", _use_new_zipfile_serialization=False)
    for name, expected in {"a": "safetensors", "b": "pytorch", "c": "pytorch"}.items():
        path = tmp_path / f"{name}.bin"
        assert tensor_format(path) == expected
        assert_tensors(read_tensor_file(path))


def test_other_content_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"\1\2\3\4 this is nothing")
    with pytest.raises(CheckpointError) as caught:
        read_tensor_file(path, "the file of VGG-19")
    assert str(caught.value) == (
        f"{path}: is neither a safetensors nor a PyTorch file; give the file of VGG-19"
    )


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch executed",))


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Trap()}, "trap.pth")
    with pytest.raises(CheckpointError, match=r"trap\.pth: would call posix\.system, which no"):
        read_tensor_file(Path("trap.pth"))
    assert not Path("executed").exists()
    pickle.loads(pickle.dumps(Trap()))  # the trap works where it is not refused
    assert Path("executed").exists()


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "program.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)
    with pytest.raises(CheckpointError, match=r"program\.pt: is TorchScript, a program that"):
        read_tensor_file(path)


def test_options_of_a_training_run_are_accepted(tmp_path: Path) -> None:
    """Full checkpoints of DINO hold them."""
    torch.save({**TENSORS, "args": argparse.Namespace(epochs=3)}, tmp_path / "a.pth")
    assert read_tensor_file(tmp_path / "a.pth")["args"].epochs == 3


def test_file_without_a_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save(torch.ones(2), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: holds one tensor, not tensors by name"):
        read_tensor_file(tmp_path / "a.pth")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"half.{suffix}"
    if suffix == "pth":
        torch.save(TENSORS, path)
    else:
        save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"truncated or damaged .*again$") as caught:
        read_tensor_file(path)
    assert "\n" not in str(caught.value)


def test_written_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, TENSORS, {"b": "2", "a": "1"})
    assert_tensors(read_safetensors(path))
    assert_tensors(load_file(path))
    with safetensors.safe_open(path, framework="pt") as file:
        assert file.metadata() == {"a": "1", "b": "2"}
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    metadata = {f"key {n}": str(n) for n in range(20)}
    files = [tmp_path / f"{n}.safetensors" for n in range(4)]
    for path in files:
        write_safetensors(path, TENSORS, metadata)
    assert len({path.read_bytes() for path in files}) == 1
    size = int.from_bytes(files[0].read_bytes()[:8], "little")
    header = json.loads(files[0].read_bytes()[8 : 8 + size])
    assert list(header["__metadata__"]) == sorted(metadata)


def test_full_disk_keeps_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"older")
    with limited_file_size(1000), pytest.raises(ResourceError, match="no space left"):
        write_safetensors(path, {"large": torch.ones(1000)}, {})
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_of_the_system_keep_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise safetensors.SafetensorError(f"I/O error: denied (os error {errno.EACCES})")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(CheckpointError, match=r"cannot be written \(Permission denied\)"):
        write_safetensors(tmp_path / "a.safetensors", TENSORS, {})


def test_names_in_a_hostile_archive_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dino/data.pkl\x1b[31mPK", b"")
        archive.writestr("x" * 5000, b"")
    with pytest.raises(CheckpointError, match="is a zip archive of") as caught:
        read_tensor_file(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_json_document_is_quoted_on_one_printable_line(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"{nnn}\xda\x9e\xf2\xa4\xa4\xa2\xa2\x83}t\xff\xfe")
    with pytest.raises(CheckpointError, match="is a JSON document") as caught:
        read_tensor_file(path)
    assert str(caught.value).isprintable()


def test_an_archive_in_several_parts_is_damaged(tmp_path: Path) -> None:
    """The end of a zip64 archive names the number of its parts."""
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff" * 2 + b"\xff" * 8 + bytes(2)
    locator = b"PK\x06\x07" + bytes(4) + bytes(8) + (2).to_bytes(4, "little")
    path = tmp_path / "a.pth"
    path.write_bytes(b"PK\x03\x04" + bytes(60) + locator + end)
    with pytest.raises(CheckpointError, match=r"a\.pth: .*span multiple disks"):
        read_tensor_file(path)
