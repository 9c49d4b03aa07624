"""Files of weights under a wrong name, from other programs, or hostile."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from _helpers.published_model import write_narrow_model
from _helpers.tiny_model import tiny_config, tiny_model
from safetensors.torch import save_file
from torch import Tensor

from cpabmm_core.checkpoint import save_checkpoint
from cpabmm_core.config import dump_config


def make_published_file(path: Path) -> None:
    write_narrow_model(path, "fomm")


def make_file_of_an_old_pytorch(path: Path) -> None:
    write_narrow_model(path, "fomm")
    values = torch.load(path, weights_only=True)
    torch.save(values, path, _use_new_zipfile_serialization=False)


def make_own_checkpoint(path: Path) -> None:
    save_checkpoint(path, tiny_model(), tiny_config(), record={})


def make_checkpoint_with_nan(path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        next(model.generator.parameters())[0] = float("nan")
    save_checkpoint(path, model, tiny_config(), record={})


def own_tensors() -> dict[str, Tensor]:
    return dict(tiny_model().state_dict())


def make_lost_metadata(path: Path) -> None:
    """Write an own checkpoint as another tool saves it again, with the metadata of that tool."""
    save_file(own_tensors(), path, {"format": "pt"})


def make_ema_part(path: Path) -> None:
    torch.save({"ema": {f"module.{name}": tensor for name, tensor in own_tensors().items()}}, path)


def make_configuration(path: Path) -> None:
    """Write the configuration of all models here."""
    path.write_text(dump_config(tiny_config()))


def make_zip_of_one_file(path: Path) -> None:
    content = io.BytesIO()
    torch.save({"a": torch.ones(2)}, content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/vox.pth.tar", content.getvalue())
        archive.writestr("model/readme.txt", "unpack me")


def make_snapshot_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "README.md", "unet/a.safetensors", "vae/a.safetensors"):
            archive.writestr(f"snapshot/{name}", "{}")


def make_torchscript(path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(path)


def make_whole_model(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), path)


def make_plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": np.ones(3)}))


def make_numpy_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weight=np.ones(3))


def make_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("a.pth"))


def make_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(b"weights" * 100))


def make_json_error_page(path: Path) -> None:
    path.write_text('{"message": "Not Found", "status": "404"}')


def make_xml_error_page(path: Path) -> None:
    path.write_text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')


def make_sharded_index(path: Path) -> None:
    parts = {f"layer{number}.weight": f"model-0000{number}.safetensors" for number in range(3)}
    path.write_text(json.dumps({"metadata": {"total_size": 99}, "weight_map": parts}, indent=2))


def make_hdf5(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


def make_gguf(path: Path) -> None:
    path.write_bytes(b"GGUF\3\0\0\0" + bytes(100))


def make_onnx(path: Path) -> None:
    path.write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.9.0:\x10" + bytes(40))


def make_huge_header_length(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b'{"a": 1}')


def make_deep_header(path: Path) -> None:
    header = b'{"a":' + b"[" * 100_000
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def make_huge_shape(path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}
    header = json.dumps({"a": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def make_zip_bomb(path: Path) -> None:
    """Write a file of torch whose tensor is 300 MB of zeros in 300 kB."""
    content = io.BytesIO()
    torch.save({"a": torch.zeros(10)}, content)
    with (
        zipfile.ZipFile(content) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in source.infolist():
            data = bytes(300_000_000) if entry.filename.endswith("/data/0") else source.read(entry)
            bomb.writestr(entry.filename, data)


def make_deflated_torch_file(path: Path) -> None:
    """Write a file of torch as a zip program packs its unpacked folder again."""
    content = io.BytesIO()
    torch.save({"weight": torch.arange(1000.0)}, content)
    with (
        zipfile.ZipFile(content) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in source.infolist():
            packed.writestr(entry.filename, source.read(entry))


class _Call:
    def __reduce__(self) -> tuple[object, ...]:
        return (open, ("executed", "w"))


def make_calling_pickle(path: Path) -> None:
    torch.save({"weight": _Call()}, path)


def make_npz_bomb(path: Path) -> None:
    """Write 320 MB of zeros in 320 kB."""
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (40_000_000,)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("source.npy", header.getvalue() + bytes(320_000_000))
