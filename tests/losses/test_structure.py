import math

import pytest
import torch
from _helpers.frozen_nets import tiny_vit
from torch import Tensor

from cpabmm_core.losses.structure import (
    Form,
    StructureLoss,
    self_similarity,
    structure_loss,
)
from cpabmm_core.models.frozen.dino import DinoKeys

FORMS: tuple[Form, ...] = ("frobenius", "mean_square")


def keys(seed: int, batch: int = 3, tokens: int = 5, channels: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, tokens, channels, generator=generator, dtype=torch.float64)


def cosine(a: Tensor, b: Tensor) -> float:
    dot = sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    return float(dot / math.sqrt(sum(x * x for x in a.tolist()) * sum(y * y for y in b.tolist())))


def squares(generated: Tensor, driving: Tensor) -> list[float]:
    """Return the squared differences of similarities, token by token."""
    tokens = range(len(generated))
    return [
        (cosine(generated[i], generated[j]) - cosine(driving[i], driving[j])) ** 2
        for i in tokens
        for j in tokens
    ]


def test_self_similarity_of_known_angles() -> None:
    angles = torch.tensor([0.0, 90.0, 180.0, 60.0]).deg2rad()
    tokens = torch.stack((angles.cos(), angles.sin()), dim=1) * torch.tensor(
        [[1.0], [5], [0.1], [2]]
    )
    expected = torch.tensor(
        [
            [1, 0, -1, 0.5],
            [0, 1, 0, math.sqrt(3) / 2],
            [-1, 0, 1, -0.5],
            [0.5, math.sqrt(3) / 2, -0.5, 1],
        ]
    )
    torch.testing.assert_close(self_similarity(tokens[None])[0], expected, atol=1e-6, rtol=0)


def test_losses_equal_plain_loops() -> None:
    generated, driving = keys(0), keys(1)
    each = [squares(a, b) for a, b in zip(generated, driving, strict=True)]
    norms = [math.sqrt(sum(values)) for values in each]
    means = [sum(values) / 25 for values in each]
    assert structure_loss(generated, driving).item() == pytest.approx(sum(norms) / 3)
    assert structure_loss(generated, driving, "frobenius").item() == pytest.approx(sum(norms) / 3)
    assert structure_loss(generated, driving, "mean_square").item() == pytest.approx(sum(means) / 3)


@pytest.mark.parametrize("form", FORMS)
def test_gradients(form: Form) -> None:
    generated, driving = keys(0).requires_grad_(), keys(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: structure_loss(a, driving, form), generated)
    structure_loss(generated, driving, form).backward()
    assert driving.grad is None


@pytest.mark.parametrize("form", FORMS)
def test_equal_images_have_zero_loss_and_gradient(form: Form) -> None:
    """Other images of the batch keep the gradient that they have alone."""
    generated = keys(0)
    driving = keys(1)
    driving[1] = generated[1]
    generated.requires_grad_()
    structure_loss(generated, driving, form).backward()
    assert generated.grad is not None
    assert generated.grad[1].abs().max() == 0
    alone = generated[:1].detach().requires_grad_()
    structure_loss(alone, driving[:1], form).backward()
    assert alone.grad is not None
    torch.testing.assert_close(3 * generated.grad[:1], alone.grad)
    assert structure_loss(driving, driving, form).item() == 0


@pytest.mark.parametrize("form", FORMS)
def test_zero_token_keeps_the_loss_finite(form: Form) -> None:
    generated = keys(0)
    generated[0, 2] = 0
    generated.requires_grad_()
    loss = structure_loss(generated, keys(1), form)
    loss.backward()
    assert generated.grad is not None
    assert loss.isfinite()
    assert generated.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keys_are_compared_in_full(dtype: torch.dtype) -> None:
    generated, driving = (
        300 * keys(seed).to(dtype) for seed in (0, 1)
    )  # their squares overflow fp16
    with torch.autocast("cpu", torch.bfloat16):
        loss = structure_loss(generated, driving)
    assert loss.dtype == torch.float32
    expected = structure_loss(generated.double(), driving.double())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def images(seed: int, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, 12, 12, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("form", FORMS)
def test_loss_of_images(form: Form) -> None:
    dino = DinoKeys(tiny_vit()).double()
    loss = StructureLoss(dino, form)
    generated, driving = images(0).requires_grad_(), images(1).requires_grad_()
    value = loss(generated, driving)
    each = [  # one image at a time, as in the paper's code
        squares(dino(a[None])[0].detach(), dino(b[None])[0].detach())
        for a, b in zip(generated, driving, strict=True)
    ]
    costs = [math.sqrt(sum(v)) if form == "frobenius" else sum(v) / len(v) for v in each]
    assert value.item() == pytest.approx(sum(costs) / 2)
    value.backward()
    assert generated.grad is not None
    assert generated.grad.abs().sum() > 0
    assert driving.grad is None
    assert all(p.grad is None for p in loss.parameters())
    assert torch.autograd.gradcheck(
        lambda image: loss(image, driving), generated.detach().requires_grad_(), fast_mode=True
    )
    assert loss(driving, driving).item() == 0
