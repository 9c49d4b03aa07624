"""MRAA's networks against a second writing of their formulas, on a converted narrow model.

`_helpers.mraa_plain` shares no code with the networks, and takes the tensors as they are published.
"""

import pytest
import torch
from _helpers import mraa_plain
from _helpers.published_model import golden, narrow_networks, write_narrow_model
from torch import Tensor

from cpabmm_core.checkpoint.convert import convert
from cpabmm_core.geometry.local_affine import frames, positions, undirected, with_frames
from cpabmm_core.inference.transfer import transfer_keypoints
from cpabmm_core.models.animation_model import AnimationModel

TOLERANCE = 1e-4
"""Measured: 2.9e-6."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> AnimationModel:
    file = write_narrow_model(tmp_path_factory.mktemp("mraa") / "mraa.pth", "mraa")
    return convert(file, frame_size=128).checkpoint().model


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    expected = golden("fomm")
    return expected["source"], expected["driving"]


def assert_near(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE)


@torch.inference_mode()
def test_regions(model: AnimationModel, images: tuple[Tensor, Tensor]) -> None:
    for image in images:
        found = mraa_plain.regions(narrow_networks("mraa"), image)
        keypoints = model.keypoints(image)[0]
        assert_near(positions(keypoints), found.means)
        ours = frames(keypoints)
        assert_near(ours @ ours.transpose(-1, -2), found.covariances)
        # Of LAPACK's frame and its half turn, whichever; the axes' order and mirror are the same.
        assert_near(
            undirected(ours @ torch.linalg.inv(found.frames)), torch.eye(2).expand(10, 2, 2)
        )


@torch.inference_mode()
def test_background(model: AnimationModel, images: tuple[Tensor, Tensor]) -> None:
    matrix = model.background(*images)
    assert matrix is not None
    assert_near(matrix[0], mraa_plain.background(narrow_networks("mraa"), *images))


@torch.inference_mode()
def test_flow_and_picture(model: AnimationModel, images: tuple[Tensor, Tensor]) -> None:
    networks = narrow_networks("mraa")
    source, driving = (mraa_plain.regions(networks, image) for image in images)
    matrix = mraa_plain.background(networks, *images)
    theirs = mraa_plain.flow(networks, images[0], source, driving, matrix)
    kp_source, kp_driving = (model.keypoints(image) for image in images)
    motion = model.motion(images[0], kp_source, kp_driving, matrix[None])
    assert_near(motion.contribution_maps, theirs.masks)
    assert_near(motion.deformation, theirs.flow)
    assert_near(motion.occlusion_maps[0], theirs.visible)
    drawn = model.generate(images[0], motion)
    assert_near(drawn, mraa_plain.picture(networks, images[0], theirs))


@torch.inference_mode()
def test_avd(model: AnimationModel, images: tuple[Tensor, Tensor]) -> None:
    """Of a pose whose frames all lie as ours do, and of one with some turned by half a turn."""
    networks = narrow_networks("mraa")
    kp_source, kp_driving = (model.keypoints(image) for image in images)
    turn = torch.where(torch.arange(10) % 2 == 0, -1.0, 1.0)[:, None, None]
    turned = with_frames(positions(kp_source), turn * frames(kp_source))
    driving = _regions(kp_driving)
    for identity in (kp_source, turned):
        ours = transfer_keypoints("avd", identity, kp_driving, kp_driving, model.avd)[0]
        assert_near(ours, mraa_plain.avd(networks, _regions(identity), driving))


def _regions(keypoints: Tensor) -> mraa_plain.Regions:
    matrices = frames(keypoints)[0]
    covariances = matrices @ matrices.transpose(-1, -2)
    return mraa_plain.Regions(positions(keypoints)[0], covariances, matrices)
