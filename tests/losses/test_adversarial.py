"""FOMM's three losses, compared with plain numbers, and the parameters that they train."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from _helpers.tiny_model import tiny_affine_config, tiny_model
from torch import Tensor, nn

from cpabmm_core.config import Config
from cpabmm_core.geometry.tps import random_tps
from cpabmm_core.losses.adversarial import (
    AdversarialLosses,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)
from cpabmm_core.losses.objective import Losses, Objective, Outcome, StepSample
from cpabmm_core.losses.pixel import PixelLoss
from cpabmm_core.models.build import build_discriminator
from cpabmm_core.models.discriminator import Discriminator, DiscriminatorOutput


def config(**changes: object) -> Config:
    sizes = {"block_expansion": 4, "max_features": 12, "blocks": 2, "keypoints": True}
    settings = {"losses.adversarial": 1.0, "losses.discriminator": sizes}
    return tiny_affine_config(**{**settings, **changes})


def discriminator() -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_discriminator(config())


def rand(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Fixed(nn.Module):
    """Scores a frame by its first channel."""

    def forward(self, frames: Tensor, keypoints: Tensor) -> DiscriminatorOutput:
        assert len(frames) == len(keypoints)
        return DiscriminatorOutput([2 * frames, -frames[:, :, ::2]], frames[:, :1])


def numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def test_losses_equal_the_published_formulas() -> None:
    generated, real, keypoints = rand(0, 2, 3, 8, 8), rand(1, 2, 3, 8, 8), rand(2, 2, 4, 6)
    a, b = numbers(generated), numbers(real)
    generator = np.mean((1 - a[:, 0]) ** 2)
    matching = np.abs(2 * a - 2 * b).mean() + np.abs(a[:, :, ::2] - b[:, :, ::2]).mean()
    adversary = np.mean((1 - b[:, 0]) ** 2 + a[:, 0] ** 2)
    found = [loss.item() for loss in AdversarialLosses(Fixed())(generated, real, keypoints)]
    assert found == pytest.approx([generator, matching])
    assert discriminator_loss(Fixed(), generated, real, keypoints).item() == pytest.approx(
        adversary
    )


def test_losses_of_perfect_scores_are_zero() -> None:
    ones, zeros = torch.ones(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    assert adversarial_loss(ones) == 0
    assert adversarial_loss(zeros) == 1
    assert feature_matching_loss([ones, zeros], [ones, zeros]) == 0
    assert discriminator_loss(Fixed(), zeros, ones, rand(0, 2, 4, 6)) == 0
    assert discriminator_loss(Fixed(), ones, zeros, rand(0, 2, 4, 6)) == 2


def test_one_pass_equals_a_pass_for_each_kind_of_frame() -> None:
    """Each frame is scored separately, with its own keypoints."""
    network = discriminator().eval()
    generated, real, keypoints = rand(0, 3, 3, 32, 32), rand(1, 3, 3, 32, 32), rand(2, 3, 4, 6)
    of_generated, of_real = (
        network(generated, keypoints).realness,
        network(real, keypoints).realness,
    )
    expected = np.mean((1 - numbers(of_real)) ** 2 + numbers(of_generated) ** 2)
    found = discriminator_loss(network, generated, real, keypoints)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def without_gradient(tensors: Iterable[Tensor]) -> bool:
    return all(tensor.grad is None for tensor in tensors)


def test_model_losses_are_differentiable_in_generated_frames_only() -> None:
    network = discriminator()
    generated, real = (rand(seed, 2, 3, 32, 32).requires_grad_() for seed in (0, 1))
    keypoints = rand(2, 2, 4, 6).requires_grad_()
    for loss in AdversarialLosses(network)(generated, real, keypoints):
        generated.grad = None
        loss.backward(retain_graph=True)
        assert generated.grad is not None
        assert generated.grad.abs().sum() > 0
    assert without_gradient((real, keypoints, *network.parameters()))
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_discriminator_loss_trains_the_discriminator_only() -> None:
    network = discriminator()
    generated, real = (rand(seed, 2, 3, 32, 32).requires_grad_() for seed in (0, 1))
    keypoints = rand(2, 2, 4, 6).requires_grad_()
    discriminator_loss(network, generated, real, keypoints).backward()
    assert without_gradient((generated, keypoints))
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        # Instance normalisation removes the bias before it.
        if name != "blocks.1.conv.bias":
            assert parameter.grad.abs().sum() > 0, name


def objective_of(settings: Config, network: Discriminator) -> Objective:
    losses_of_model = AdversarialLosses(network)
    losses = Losses(settings.losses, PixelLoss(), adversarial=losses_of_model)
    return Objective(tiny_model(settings).train(), losses)


def outcome_of(objective: Objective) -> Outcome:
    sample = StepSample(random_tps(2, generator=torch.Generator().manual_seed(0)), None)
    frames = rand(1, 2, 3, 32, 32), rand(2, 2, 3, 32, 32)
    outcome: Outcome = objective(*frames, sample=sample, with_background=True)
    return outcome


def test_objective_adds_both_terms_by_their_weights() -> None:
    network = discriminator().eval()
    changes = {"losses.adversarial": 3.0, "losses.feature_matching": 5.0}
    outcome = outcome_of(objective_of(config(**changes), network))
    generated = network(outcome.pair.generated, outcome.pair.kp_driving)
    real = network(rand(2, 2, 3, 32, 32), outcome.pair.kp_driving)
    losses = {name: loss.item() for name, loss in outcome.losses.items()}
    expected = 3 * np.mean((1 - numbers(generated.realness)) ** 2)
    assert losses["adversarial"] == pytest.approx(expected, rel=1e-5)
    pairs = zip(generated.features, real.features, strict=True)
    expected = 5 * sum(np.abs(numbers(a) - numbers(b)).mean() for a, b in pairs)
    assert losses["feature_matching"] == pytest.approx(expected, rel=1e-5)
    assert losses.pop("loss") == pytest.approx(sum(losses.values()), rel=1e-5)


def test_objective_trains_the_model_and_not_the_discriminator() -> None:
    network = discriminator()
    objective = objective_of(config(), network)
    # The discriminator is not a part of the objective, so it is not trained or averaged with it.
    assert not {id(p) for p in network.parameters()} & {id(p) for p in objective.parameters()}
    for name in ("adversarial", "feature_matching"):
        objective.zero_grad()
        outcome_of(objective).losses[name].backward()
        for part in ("keypoint_detector", "dense_motion", "generator"):
            taught = [p.grad for p in getattr(objective.model, part).parameters()]
            assert sum(float(g.abs().sum()) for g in taught if g is not None) > 0, (name, part)
    assert without_gradient(network.parameters())


def test_feature_matching_is_optional() -> None:
    outcome = outcome_of(objective_of(config(**{"losses.feature_matching": 0}), discriminator()))
    assert "adversarial" in outcome.losses
    assert "feature_matching" not in outcome.losses
