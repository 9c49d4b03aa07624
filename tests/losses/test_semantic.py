import math

import pytest
import torch
from _helpers.tiny_sam import tiny_sam
from torch import Tensor

from cpabmm_core.losses.semantic import SemanticLoss, semantic_loss
from cpabmm_core.models.frozen.sam import SamFeatures


def pair(batch: int = 2, count: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return source, its keypoints, driving frame, and its keypoints."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, batch, 3, 20, 28, generator=generator)
    keypoints = 2 * torch.rand(2, batch, count, 2, generator=generator) - 1
    return images[0], keypoints[0], images[1], keypoints[1]


def test_loss_of_known_angles() -> None:
    """Angles of 0, 90, 180 and 60 degrees cost 0, 1, 2 and 1/2, whatever the lengths."""
    angles = torch.tensor([[0.0, 90.0], [180.0, 60.0]]).deg2rad()  # two images of two keypoints
    driving = 3 * torch.stack([angles.cos(), angles.sin()], dim=-1)
    source = torch.tensor([0.5, 0.0]).expand(2, 2, 2)
    assert semantic_loss(source, driving).item() == pytest.approx((1 + 2.5) / 2, abs=1e-6)


def test_loss_of_a_frame_with_itself_is_zero() -> None:
    source, keypoints, driving, _ = pair()
    loss = SemanticLoss(SamFeatures(tiny_sam()))
    assert loss(source, keypoints, source, keypoints).item() == pytest.approx(0, abs=1e-5)
    assert loss(source, keypoints, driving, keypoints).item() > 1e-3
    assert loss(source, keypoints, source, -keypoints).item() > 1e-3


def test_loss_equals_a_loop_over_frames_and_keypoints() -> None:
    sam = SamFeatures(tiny_sam())
    source, kp_source, driving, kp_driving = pair()
    total = 0.0
    for i in range(2):
        tokens = []
        for images, keypoints in ((source, kp_source), (driving, kp_driving)):
            embedding = sam.embed_images(images[i : i + 1])
            tokens.append(sam.keypoint_tokens(embedding, keypoints[i : i + 1], (20, 28))[0])
        for a, b in zip(*tokens, strict=True):
            total += 1 - float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
    value = SemanticLoss(sam)(source, kp_source, driving, kp_driving)
    assert value.shape == ()
    assert value.item() == pytest.approx(total / 2, rel=1e-4)


def test_gradients_equal_finite_differences_and_exist_for_keypoints_only() -> None:
    loss = SemanticLoss(SamFeatures(tiny_sam()).double())
    source, kp_source, driving, kp_driving = (t.double() for t in pair())
    keypoints = (kp_source.requires_grad_(), kp_driving.requires_grad_())
    images = (source.requires_grad_(), driving.requires_grad_())

    def value(a: Tensor, b: Tensor) -> Tensor:
        result: Tensor = loss(source, a, driving, b)
        return result

    assert torch.autograd.gradcheck(value, keypoints)
    value(*keypoints).backward()
    for tensor in keypoints:
        assert tensor.grad is not None
        assert (tensor.grad.abs() > 0).all()
    assert all(image.grad is None for image in images)
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_gradient_step_lowers_the_loss() -> None:
    loss = SemanticLoss(SamFeatures(tiny_sam()))
    source, kp_source, driving, kp_driving = pair()
    before = loss(source, kp_source.requires_grad_(), driving, kp_driving)
    before.backward()
    assert kp_source.grad is not None
    moved = kp_source.detach() - 1e-4 * kp_source.grad
    assert loss(source, moved, driving, kp_driving).item() < before.item()
