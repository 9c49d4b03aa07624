"""Readers of checkpoints, weights of frozen networks, saved states of runs and ONNX networks."""

import json
import pickle
import shutil
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from _helpers.onnx_graphs import write_graph
from _helpers.published_model import Family, narrow_networks
from _helpers.tiny_model import tiny_affine_config, tiny_model
from fuzz.oracle import Action, BrokenPromiseError, Target
from torch import Tensor, nn

from cpabmm_core.checkpoint.convert import convert_checkpoint, open_checkpoint
from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.checkpoint.header import read_header
from cpabmm_core.files.tensors import read_tensor_file
from cpabmm_core.metrics.extractors import Request, open_embedding_extractor
from cpabmm_core.models.frozen.dino import _transformer_part
from cpabmm_core.models.frozen.weights import fill, read_weights
from cpabmm_core.training.manifest import MANIFEST_FILE, TRAINER_FILE, find_damage
from cpabmm_core.training.run_folder import MODEL_FILE
from cpabmm_core.training.state import TrainerState, load_state

_SUFFIXES = (".safetensors", ".pth", ".pt", ".json", ".onnx")
_SMALL_HOURGLASS = {"block_expansion": 1, "max_features": 4, "blocks": 1, "scale_factor": 1.0}
_CONFIG = tiny_affine_config(
    **{
        "model.affine": {"keypoints": 2, "bottleneck_blocks": 1, "padding": 3, **_SMALL_HOURGLASS},
        "model.dense_motion": _SMALL_HOURGLASS,
        "model.inpainting": {"block_expansion": 2, "max_features": 4, "down_blocks": 1},
    }
)
_MODEL = tiny_model(_CONFIG)


def _actions(path: Path, scratch: Path) -> Mapping[str, Action]:
    if path.suffix == ".pt":
        return {"load_state": lambda: _load_state(path, scratch)}
    if path.suffix == ".json":
        return {"find_damage": lambda: _find_damage(path, scratch)}
    if path.suffix == ".onnx":
        return {"open_extractor": lambda: _embed(path)}
    return {
        "read_tensor_file": lambda: read_tensor_file(path),
        "read_header": lambda: read_header(path).config.model.motion,
        "load_checkpoint": lambda: load_checkpoint(path).model,
        "open_checkpoint": lambda: open_checkpoint(path).kind,
        "convert_checkpoint": lambda: str(convert_checkpoint(path)),
        "fill": lambda: fill(nn.Linear(2, 2), read_weights(path, "weights"), path, "weights"),
        "DINO": lambda: fill(
            nn.Linear(2, 2), _transformer_part(read_weights(path, "weights")), path, "weights"
        ),
    }


def _load_state(path: Path, scratch: Path) -> TrainerState:
    with _folder(scratch / path.stem) as folder:
        save_checkpoint(folder / MODEL_FILE, _MODEL, _CONFIG, record={})
        (folder / TRAINER_FILE).write_bytes(path.read_bytes())
        state = load_state(folder, _MODEL, None)
    if not isinstance(state.step, int):
        raise BrokenPromiseError(f"the step is {state.step!r}")
    return state


def _find_damage(path: Path, scratch: Path) -> str | None:
    with _folder(scratch / path.stem) as folder:
        (folder / MANIFEST_FILE).write_bytes(path.read_bytes())
        damage = find_damage(folder)
    if damage is not None and not damage.isprintable():
        raise BrokenPromiseError(f"not one printable line: {damage!r}")
    return damage


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Create a folder and remove it at the end."""
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _embed(path: Path) -> None:
    extractor = open_embedding_extractor(f"{path}?size=8", Request(device="cpu"))
    vectors = extractor.embeddings(torch.zeros(1, 8, 8, 3, dtype=torch.uint8).numpy())
    if vectors.ndim != 2 or len(vectors) != 1:
        raise BrokenPromiseError(f"embeddings of shape {vectors.shape}")


def _write_seeds(folder: Path) -> None:
    save_checkpoint(folder / "own.safetensors", _MODEL, _CONFIG, record={"steps": 1, "seed": 0})
    linear = {"weight": torch.ones(2, 2), "bias": torch.ones(2)}
    safetensors.torch.save_file(linear, folder / "linear.safetensors")
    torch.save(linear, folder / "zip.pth")
    torch.save(linear, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(
        {"teacher": {f"module.backbone.{k}": v for k, v in linear.items()}}, folder / "dino.pth"
    )
    torch.save({"state_dict": linear, "args": Namespace(lr=0.1), "epoch": 3}, folder / "more.pth")
    torch.save(
        {0: linear["bias"], "a": [1, (2.5, None)], "views": linear["weight"].T[1:]},
        folder / "odd.pth",
    )
    dtypes = (torch.half, torch.bfloat16, torch.int64, torch.bool, torch.complex64)
    torch.save({str(each): torch.ones(2).to(each) for each in dtypes}, folder / "dtypes.pth")
    (folder / "object.pth").write_bytes(pickle.dumps({"a": Path("b")}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(nn.Linear(2, 2)).save(str(folder / "script.pth"))
    for family in ("fomm", "mraa", "tpsmm"):
        _write_published(folder, family)
    moments = {
        "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(2)}},
        "param_groups": [],
    }
    state = TrainerState(1, moments, None, [{"cpu": torch.get_rng_state()[:16]}], 0.5)
    torch.save({k: v for k, v in vars(state).items() if k != "adversary"}, folder / "trainer.pt")
    files = {MODEL_FILE: [5, "a" * 64], TRAINER_FILE: [7, "b" * 64]}
    (folder / "manifest.json").write_text(json.dumps(files))
    with suppress(BaseException):  # without the package onnx there are no networks to read
        write_graph(folder / "flat.onnx", (1, 3, 8, 8))
        write_graph(
            folder / "any.onnx",
            ("n", 3, None, None),
            [("ReduceMean", {"axes": [2, 3], "keepdims": 0})],
        )


def _write_published(folder: Path, family: Family) -> None:
    """Write the names of a published checkpoint with tensors of at most 2 x 2 x 1 x 1."""
    networks: dict[str, Any] = {
        network: {name: _shrunk(tensor) for name, tensor in list(tensors.items())[:60]}
        for network, tensors in narrow_networks(family).items()
    }
    torch.save({**networks, "epoch": 1}, folder / f"{family}.pth")
    flat = {f"{n}.{k}": v for n, tensors in networks.items() for k, v in tensors.items()}
    safetensors.torch.save_file(flat, folder / f"{family}.safetensors")


def _shrunk(tensor: Tensor) -> Tensor:
    return torch.ones([min(size, 2 if axis < 2 else 1) for axis, size in enumerate(tensor.shape)])


with suppress(ImportError):  # its first import starts a thread, which is not the reader's
    import onnxruntime  # noqa: F401

TARGET = Target(
    name="checkpoints",
    suffixes=_SUFFIXES,
    write_seeds=_write_seeds,
    actions=_actions,
    exit_codes=frozenset({4, 5}),
)
