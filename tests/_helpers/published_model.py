"""A narrow TPSMM model, laid out as the published files, its weights drawn from their names."""

import json
from functools import cache
from pathlib import Path

import torch
from _helpers.drawn_weights import draw
from torch import Tensor

from cpabmm_core.config import Config, config_from_dict

_DATA = Path(__file__).parents[1] / "data" / "tpsmm"
_BLUR = "down.weight"  # a fixed kernel


def narrow_config(motion: str = "tps") -> Config:
    """The configuration that the narrow model would have been trained with."""
    widths = {"block_expansion": 16, "max_features": 64}
    model = {"motion": motion, "dense_motion": widths, "inpainting": widths}
    return config_from_dict({"data": {"frame_size": 128}, "model": model}, "narrow_config")


def narrow_networks() -> dict[str, dict[str, Tensor]]:
    """State dicts of its networks, to be changed as a test likes."""
    return {network: dict(tensors) for network, tensors in _drawn().items()}


def write_narrow_model(path: Path) -> Path:
    """A file like a published one: networks, an optimizer and the epoch."""
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter])
    parameter.square().sum().backward()
    optimizer.step()
    torch.save({**narrow_networks(), "optimizer": optimizer.state_dict(), "epoch": 99}, path)
    return path


def published_shapes() -> dict[str, list[int]]:
    """Shapes of the tensors ``network.key`` of the published full-width models, without avd."""
    networks = json.loads((_DATA / "published_shapes.json").read_text())
    return {
        f"{network}.{key}": shape
        for network, tensors in networks.items()
        for key, shape in tensors.items()
        if key != _BLUR
    }


@cache
def _drawn() -> dict[str, dict[str, Tensor]]:
    shapes = json.loads((_DATA / "checkpoint.json").read_text())["state_dict_shapes"]
    return {
        network: {
            key: torch.ones(shape) if key == _BLUR else draw(f"{network}.{key}", shape)
            for key, shape in tensors.items()
        }
        for network, tensors in shapes.items()
    }
