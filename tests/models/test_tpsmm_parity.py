"""The networks against numbers that TPSMM's own code computed (tests/data/tpsmm/README.md).

Every tensor of a TPSMM checkpoint is drawn from its name, and the map from our names to theirs
below is one to one: the structure of the networks is that of the published models.
"""

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cpabmm_core.geometry.tps import fit_tps
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.background import BackgroundPredictor
from cpabmm_core.models.dense_motion import DenseMotionNetwork, Motion
from cpabmm_core.models.inpainting import InpaintingNetwork
from cpabmm_core.models.keypoints import KeypointDetector
from cpabmm_core.models.motion import TpsMotion

DATA = Path(__file__).parents[1] / "data" / "tpsmm"
TOLERANCE = 1e-4

RENAMES = [
    (r"^keypoint_detector\.backbone\.", "kp_detector.fg_encoder."),
    (r"^keypoint_detector\.head\.linear\.", "kp_detector.fg_encoder.fc."),
    (r"^background_predictor\.backbone\.", "bg_predictor.bg_encoder."),
    (r"^background_predictor\.linear\.", "bg_predictor.bg_encoder.fc."),
    (r"^dense_motion\.hourglass\.down", "dense_motion_network.hourglass.encoder.down"),
    (r"^dense_motion\.hourglass\.up", "dense_motion_network.hourglass.decoder.up"),
    (r"^dense_motion\.contribution_head\.", "dense_motion_network.maps."),
    (r"^dense_motion\.refine_blocks\.", "dense_motion_network.up."),
    (r"^dense_motion\.occlusion_heads\.", "dense_motion_network.occlusion."),
    (r"^inpainting\.stem\.", "inpainting_network.first."),
    (r"^inpainting\.to_rgb\.", "inpainting_network.final."),
    (r"^inpainting\.(up|down)_blocks\.", r"inpainting_network.\1_blocks."),
]


def their_name(name: str) -> str:
    residual = re.match(r"inpainting\.residual_blocks\.(\d)\.(\d)\.(.*)", name)
    if residual:
        level, place, rest = residual.groups()
        return f"inpainting_network.resblock.{2 * int(level) + int(place)}.{rest}"
    for pattern, replacement in RENAMES:
        name, changed = re.subn(pattern, replacement, name)
        if changed:
            return name
    raise AssertionError(f"no TPSMM name for {name}")


def draw(name: str, shape: list[int]) -> Tensor:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var"):
        values = 1 + 0.2 * rng.random(shape)
    elif name.endswith(("running_mean", "bias")):
        values = 0.05 * rng.standard_normal(shape)
    elif len(shape) == 1:
        values = 1 + 0.05 * rng.standard_normal(shape)
    else:
        values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def published_shapes() -> dict[str, list[int]]:
    networks = json.loads((DATA / "checkpoint.json").read_text())["state_dict_shapes"]
    return {
        f"{network}.{key}": shape
        for network, tensors in networks.items()
        for key, shape in tensors.items()
        if key != "down.weight"
    }


@pytest.fixture(scope="module")
def expected() -> Mapping[str, Tensor]:
    with np.load(DATA / "expected.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="module")
def model() -> AnimationModel:
    model = AnimationModel(
        KeypointDetector("resnet18", "regression", 10, 5),
        BackgroundPredictor("resnet18"),
        TpsMotion(10),
        DenseMotionNetwork(11, 50, block_expansion=16, max_features=64, blocks=5),
        InpaintingNetwork(block_expansion=16, max_features=64, down_blocks=3),
        frame_size=128,
    )
    shapes = published_shapes()
    names = {their_name(name): name for name in model.state_dict()}
    assert names.keys() == shapes.keys()
    model.load_state_dict({names[key]: draw(key, shape) for key, shape in shapes.items()})
    return model.eval()


@pytest.fixture(scope="module")
def motion(model: AnimationModel, expected: Mapping[str, Tensor]) -> Motion:
    with torch.inference_mode():
        return model.motion(
            expected["source"], expected["kp_source"], expected["kp_driving"], expected["bg_param"]
        )


def assert_near(actual: Tensor, truth: Tensor) -> None:
    torch.testing.assert_close(actual, truth, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("frame", ["source", "driving"])
@torch.inference_mode()
def test_keypoints(model: AnimationModel, expected: Mapping[str, Tensor], frame: str) -> None:
    assert_near(model.keypoints(expected[frame]), expected[f"kp_{frame}"])


@torch.inference_mode()
def test_background(model: AnimationModel, expected: Mapping[str, Tensor]) -> None:
    background = model.background(expected["source"], expected["driving"])
    assert background is not None
    assert_near(background, expected["bg_param"])


def test_tps_grid(expected: Mapping[str, Tensor]) -> None:
    candidates = TpsMotion(10)(expected["kp_source"], expected["kp_driving"], (32, 32))
    assert_near(candidates, expected["tps_grid_32"])
    driving, source = (expected[name].view(10, 5, 2) for name in ("kp_driving", "kp_source"))
    assert_near(fit_tps(driving, source).flow(32, 32)[None], expected["tps_grid_32"])


def test_flow_with_background(motion: Motion, expected: Mapping[str, Tensor]) -> None:
    assert_near(motion.deformation, expected["standard_bg_deformation"])
    assert_near(motion.contribution_maps, expected["standard_bg_contribution_maps"])


@torch.inference_mode()
def test_flow_without_background(model: AnimationModel, expected: Mapping[str, Tensor]) -> None:
    motion = model.motion(expected["source"], expected["kp_source"], expected["kp_driving"])
    assert_near(motion.deformation, expected["standard_deformation"])
    assert_near(motion.contribution_maps, expected["standard_contribution_maps"])


def test_occlusion_maps(motion: Motion, expected: Mapping[str, Tensor]) -> None:
    assert len(motion.occlusion_maps) == 4
    for level, occlusion in enumerate(motion.occlusion_maps):
        assert_near(occlusion, expected[f"standard_bg_occlusion_{level}"])


@torch.inference_mode()
def test_prediction(model: AnimationModel, motion: Motion, expected: Mapping[str, Tensor]) -> None:
    assert_near(model.generate(expected["source"], motion), expected["standard_bg_prediction"])
