"""Narrow models of TPSMM, FOMM and MRAA in the layout of the published files.

Each tensor is a function of its name (`_helpers.named_weights`).
"""

import json
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from _helpers.named_weights import weights_for
from torch import Tensor

from cpabmm_core.config import Config, config_from_dict

DATA = Path(__file__).parents[1] / "golden"
Family = Literal["tpsmm", "fomm", "mraa"]
Shapes = dict[str, dict[str, list[int]]]
_BLUR = "down.weight"  # a fixed kernel
_JACOBIAN_BIAS = "jacobian.bias"


def narrow_config(motion: str = "tps", **model: object) -> Config:
    """Return the configuration of the narrow TPSMM model."""
    widths = {"block_expansion": 16, "max_features": 64}
    values = {"motion": motion, "dense_motion": widths, "inpainting": widths, **model}
    return config_from_dict({"data": {"frame_size": 128}, "model": values}, "narrow_config")


def narrow_networks(family: Family = "tpsmm") -> dict[str, dict[str, Tensor]]:
    """Return copies of the state dicts, which a test may change."""
    return {network: dict(tensors) for network, tensors in _networks(family).items()}


def write_narrow_model(path: Path, family: Family = "tpsmm") -> Path:
    """Save a file like a published one: networks, an optimizer and the epoch."""
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter])
    parameter.grad = torch.ones(3)
    optimizer.step()
    torch.save({**narrow_networks(family), "optimizer": optimizer.state_dict(), "epoch": 99}, path)
    return path


def golden(family: Literal["tpsmm", "fomm"]) -> Mapping[str, Tensor]:
    """Return what the original code of the family computes with the narrow model."""
    with np.load(DATA / family / "expected.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def published_shapes(family: Family = "tpsmm") -> Shapes:
    """Return the tensor shapes of the published full-width models."""
    if family == "mraa":
        return _mraa_shapes(published_shapes("fomm"), bottle=64)
    found: Shapes = json.loads((DATA / family / "published_shapes.json").read_text())
    return found


def _mraa_shapes(fomm: Shapes, *, bottle: int) -> Shapes:
    """Derive MRAA's shapes from FOMM's.

    The detector and the generator are FOMM's under other names and without jacobians. The
    background predictor is another encoder of the detector's widths. The avd network is TPSMM's
    with six numbers per keypoint.
    """
    detector = {
        key.replace("kp.", "regions."): shape
        for key, shape in fomm["kp_detector"].items()
        if not key.startswith("jacobian.")
    }
    encoder = {
        key.removeprefix("predictor."): list(shape)
        for key, shape in detector.items()
        if key.startswith("predictor.encoder.")
    }
    encoder["encoder.down_blocks.0.conv.weight"][1] = 6
    features = encoder["encoder.down_blocks.4.conv.bias"][0]
    numbers = 6 * detector["regions.bias"][0]
    return {
        "region_predictor": detector,
        "bg_predictor": {**encoder, "fc.weight": [6, features], "fc.bias": [6]},
        "generator": {
            key.replace("dense_motion_network.", "pixelwise_flow_predictor."): shape
            for key, shape in fomm["generator"].items()
        },
        "avd_network": {
            **_perceptron("id_encoder", numbers, 256, 512, 1024, bottle),
            **_perceptron("pose_encoder", numbers, 256, 512, 1024, bottle),
            **_perceptron("decoder", 2 * bottle, 1024, 512, 256, numbers),
        },
    }


def _perceptron(name: str, first: int, *widths: int) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = {}
    for place, width in enumerate(widths):
        shapes |= {
            f"{name}.{3 * place}.weight": [width, first],
            f"{name}.{3 * place}.bias": [width],
        }
        if place < len(widths) - 1:
            norm = f"{name}.{3 * place + 1}"
            keys = ("weight", "bias", "running_mean", "running_var")
            shapes |= {f"{norm}.{key}": [width] for key in keys}
            shapes[f"{norm}.num_batches_tracked"] = []
        first = width
    return shapes


@cache
def _networks(family: Family) -> dict[str, dict[str, Tensor]]:
    if family == "mraa":
        shapes = _mraa_shapes(_narrow_shapes("fomm"), bottle=16)
    else:
        shapes = _narrow_shapes(family)
    return {
        network: {key: _tensor(network, key, shape) for key, shape in tensors.items()}
        for network, tensors in shapes.items()
    }


def _narrow_shapes(family: Literal["tpsmm", "fomm"]) -> Shapes:
    found: Shapes = json.loads((DATA / family / "checkpoint.json").read_text())["state_dict_shapes"]
    return found


def _tensor(network: str, key: str, shape: list[int]) -> Tensor:
    if key.endswith(_BLUR):
        return torch.ones(shape)
    if key == _JACOBIAN_BIAS:
        rng = np.random.default_rng(zlib.crc32(f"{network}.{key}".encode()))
        identity = np.tile([1, 0, 0, 1], shape[0] // 4)
        return torch.from_numpy(identity + 0.05 * rng.standard_normal(shape)).float()
    return weights_for(f"{network}.{key}", shape)
