"""The networks against numbers that TPSMM's own code computed (tests/data/tpsmm/README.md).

Every tensor of a TPSMM checkpoint is drawn from its name. The file is read as a published one, and
all that is in it is in our model: the structure of the networks is that of the published models.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.published_model import narrow_config, write_narrow_model
from torch import Tensor

from cpabmm_core.checkpoint.published import read_published
from cpabmm_core.geometry.tps import fit_tps
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.motion import TpsMotion

DATA = Path(__file__).parents[1] / "data" / "tpsmm"
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def expected() -> Mapping[str, Tensor]:
    with np.load(DATA / "expected.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> AnimationModel:
    file = write_narrow_model(tmp_path_factory.mktemp("tpsmm") / "narrow.pth.tar")
    model = build_model(narrow_config())
    model.load_state_dict(read_published(file))
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
