from typing import Literal

import pytest
import torch
from _helpers.tiny_model import tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.animation_model import AnimationModel


@pytest.fixture(scope="module", params=["cpab", "tps"])
def model(request: pytest.FixtureRequest) -> AnimationModel:
    return tiny_model(tiny_config(**{"model.motion": request.param}))


@pytest.fixture(scope="module")
def frames() -> Tensor:  # (3, 3, 32, 32)
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_the_steps_lead_from_frames_to_an_image(model: AnimationModel, frames: Tensor) -> None:
    source, driving = frames[:2], frames[1:]
    background = model.background(source, driving)
    kp_source, kp_driving = model.keypoints(source), model.keypoints(driving)
    assert kp_source.shape == (2, 6, 2)
    motion = model.motion(source, kp_source, kp_driving, background)
    candidates = 1 + 2 + (model.motion_kind == "cpab")
    assert motion.contribution_maps.shape == (2, candidates, 8, 8)
    generated = model.generate(source, motion)
    assert generated.shape == (2, 3, 32, 32)
    assert generated.min() >= 0
    assert generated.max() <= 1


def test_saved_optimizer_states_find_their_parameters() -> None:
    """Adam saves its state by position, so the order of the networks belongs to the format."""
    model = tiny_model(tiny_config(**{"model.avd": {}}))
    assert [name for name, _ in model.named_children()] == [
        "keypoint_detector",
        "background_predictor",
        "candidate_motion",
        "dense_motion",
        "generator",
        "avd",
    ]


@pytest.fixture(scope="module")
def poses() -> Tensor:  # (3, 6, 2)
    """Return a pose and two plausible changes of it, unlike the output of an untrained detector."""
    first = torch.tensor(
        [[-0.5, -0.5], [-0.2, -0.5], [-0.3, -0.1], [0.2, 0.1], [0.6, 0.2], [0.3, 0.5]]
    )
    return torch.stack((first, first * 0.9 + 0.1, first + 0.1 * torch.sin(2 * first.flip(1))))


@torch.inference_mode()
def test_one_encoded_source_serves_many_poses(
    model: AnimationModel, frames: Tensor, poses: Tensor
) -> None:
    source = frames[:1]
    features = model.generator.encode(source)
    together = model.generate(source, model.motion(source, poses[:1], poses), features)
    for i in range(3):
        alone = model.generate(source, model.motion(source, poses[:1], poses[i : i + 1]))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_with_every_candidate_dropped_only_the_background_moves(
    model: AnimationModel, frames: Tensor, poses: Tensor
) -> None:
    rest = identity_grid(8, 8).expand(3, -1, -1, -1)
    matrix = torch.tensor([[0.9, 0.1, 0.2], [0.0, 1.1, 0.0], [0.0, 0.0, 1.0]]).expand(3, 3, 3)
    for background, expected in ((None, rest), (matrix, apply_affine(matrix, rest))):
        drop = torch.ones(3, 1 + model.candidate_motion.count, dtype=torch.bool)
        drop[:, 0] = False
        motion = model.motion(frames, poses, poses.flip(0), background, drop=drop)
        torch.testing.assert_close(motion.deformation, expected)


def test_every_parameter_gets_a_gradient(
    model: AnimationModel, frames: Tensor, poses: Tensor
) -> None:
    source, driving = frames[:2], frames[1:]
    model.zero_grad()
    motion = model.motion(
        source,
        poses[:2] + 0.01 * model.keypoints(source),
        poses[1:] + 0.01 * model.keypoints(driving),
        model.background(source, driving),
    )
    (model.generate(source, motion) - driving).abs().mean().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert not without
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@torch.inference_mode()
def test_mixed_precision_keeps_the_flow_in_float32(
    model: AnimationModel, frames: Tensor, poses: Tensor
) -> None:
    plain = model.motion(frames, poses, poses.flip(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = model.motion(frames, poses, poses.flip(0))
        generated = model.generate(frames, mixed)
    assert mixed.deformation.dtype == torch.float32
    torch.testing.assert_close(mixed.deformation, plain.deformation, rtol=0, atol=0.05)
    torch.testing.assert_close(generated.float(), model.generate(frames, plain), rtol=0, atol=0.1)


@pytest.mark.parametrize("head", ["regression", "heatmap"])
def test_a_model_without_a_background_predictor(
    frames: Tensor, head: Literal["regression", "heatmap"]
) -> None:
    config = tiny_config(**{"model.background": None, "model.keypoints.head": head})
    model = tiny_model(config)
    assert model.background(frames, frames) is None
    assert model.keypoints(frames).shape == (3, 6, 2)
