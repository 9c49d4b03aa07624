import math

import pytest
import torch
import torch.nn.functional as F
from _helpers.frozen_nets import vgg19_layers
from torch import Tensor

from cpabmm_core.losses.perceptual import PerceptualLoss
from cpabmm_core.models.frozen.vgg import Vgg19Features


@pytest.fixture(scope="module")
def features() -> Vgg19Features:
    return Vgg19Features(vgg19_layers())


def images(seed: int, size: int = 32) -> Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


def shrunk(image: Tensor, factor: int) -> Tensor:
    """Compute the pyramid directly: a two-dimensional Gaussian, then every n-th pixel."""
    if factor == 1:
        return image
    sigma = (factor - 1) / 2
    side = 2 * round(4 * sigma) + 1
    middle = side // 2
    kernel = torch.tensor(
        [
            [
                math.exp(-((x - middle) ** 2 + (y - middle) ** 2) / (2 * sigma**2))
                for x in range(side)
            ]
            for y in range(side)
        ]
    )
    kernel = (kernel / kernel.sum()).expand(3, 1, side, side)
    blurred = F.conv2d(F.pad(image, (middle,) * 4), kernel, groups=3)
    return F.interpolate(blurred, scale_factor=(1 / factor, 1 / factor))


@pytest.mark.parametrize(("size", "factors"), [(32, (1, 2)), (128, (1, 2, 4, 8))])
def test_perceptual_loss_equals_a_plain_computation(
    features: Vgg19Features, size: int, factors: tuple[int, ...]
) -> None:
    """Scales below 16 pixels are skipped, because four poolings need that many."""
    generated, driving = images(1, size), images(2, size)
    expected = 0.0
    for factor in factors:
        pairs = zip(
            features(shrunk(generated, factor)), features(shrunk(driving, factor)), strict=True
        )
        for mine, truth in pairs:
            expected += float((mine - truth).abs().sum() / mine.numel())
    value = PerceptualLoss(features)(generated, driving)
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_loss_is_differentiable_in_the_generated_frame_only(features: Vgg19Features) -> None:
    loss = PerceptualLoss(features)
    generated, driving = images(3).requires_grad_(), images(4).requires_grad_()
    loss(generated, driving).backward()
    assert generated.grad is not None
    assert generated.grad.abs().sum() > 0
    assert driving.grad is None
    assert all(p.grad is None for p in loss.parameters())
    assert loss(driving, driving).item() == 0
