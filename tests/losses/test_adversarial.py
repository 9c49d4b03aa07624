"""FOMM's three losses against plain numbers, and whom they teach."""

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
from cpabmm_core.models.discriminator import Discriminator, Judgement


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
    """Judges the first channel by its value, whatever the rest."""

    def forward(self, frames: Tensor, keypoints: Tensor) -> Judgement:
        assert len(frames) == len(keypoints)
        return Judgement([2 * frames, -frames[:, :, ::2]], frames[:, :1])


def numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def test_losses_are_the_published_formulas() -> None:
    drawn, real, keypoints = rand(0, 2, 3, 8, 8), rand(1, 2, 3, 8, 8), rand(2, 2, 4, 6)
    a, b = numbers(drawn), numbers(real)
    generator = np.mean((1 - a[:, 0]) ** 2)
    matching = np.abs(2 * a - 2 * b).mean() + np.abs(a[:, :, ::2] - b[:, :, ::2]).mean()
    adversary = np.mean((1 - b[:, 0]) ** 2 + a[:, 0] ** 2)
    found = [loss.item() for loss in AdversarialLosses(Fixed())(drawn, real, keypoints)]
    assert found == pytest.approx([generator, matching])
    assert discriminator_loss(Fixed(), drawn, real, keypoints).item() == pytest.approx(adversary)


def test_losses_know_when_all_is_said_right() -> None:
    ones, zeros = torch.ones(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    assert adversarial_loss(ones) == 0
    assert adversarial_loss(zeros) == 1
    assert feature_matching_loss([ones, zeros], [ones, zeros]) == 0
    assert discriminator_loss(Fixed(), zeros, ones, rand(0, 2, 4, 6)) == 0
    assert discriminator_loss(Fixed(), ones, zeros, rand(0, 2, 4, 6)) == 2


def test_one_pass_for_both_kinds_of_frames_is_two_passes() -> None:
    """Each frame is judged by itself, with keypoints of its own."""
    network = discriminator().eval()
    drawn, real, keypoints = rand(0, 3, 3, 32, 32), rand(1, 3, 3, 32, 32), rand(2, 3, 4, 6)
    of_drawn, of_real = network(drawn, keypoints).realness, network(real, keypoints).realness
    expected = np.mean((1 - numbers(of_real)) ** 2 + numbers(of_drawn) ** 2)
    found = discriminator_loss(network, drawn, real, keypoints)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def without_gradient(tensors: Iterable[Tensor]) -> bool:
    return all(tensor.grad is None for tensor in tensors)


def test_judge_teaches_the_drawn_frames_only() -> None:
    network = discriminator()
    drawn, real = (rand(seed, 2, 3, 32, 32).requires_grad_() for seed in (0, 1))
    keypoints = rand(2, 2, 4, 6).requires_grad_()
    for loss in AdversarialLosses(network)(drawn, real, keypoints):
        drawn.grad = None
        loss.backward(retain_graph=True)
        assert drawn.grad is not None
        assert drawn.grad.abs().sum() > 0
    assert without_gradient((real, keypoints, *network.parameters()))
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_discriminator_learns_and_teaches_nobody() -> None:
    network = discriminator()
    drawn, real = (rand(seed, 2, 3, 32, 32).requires_grad_() for seed in (0, 1))
    keypoints = rand(2, 2, 4, 6).requires_grad_()
    discriminator_loss(network, drawn, real, keypoints).backward()
    assert without_gradient((drawn, keypoints))
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        # Instance normalisation takes away what the bias before it adds.
        if name != "blocks.1.conv.bias":
            assert parameter.grad.abs().sum() > 0, name


def objective_of(settings: Config, network: Discriminator) -> Objective:
    judge = AdversarialLosses(network)
    losses = Losses(settings.losses, PixelLoss(), adversarial=judge)
    return Objective(tiny_model(settings).train(), losses)


def outcome_of(objective: Objective) -> Outcome:
    sample = StepSample(random_tps(2, generator=torch.Generator().manual_seed(0)), None)
    frames = rand(1, 2, 3, 32, 32), rand(2, 2, 3, 32, 32)
    outcome: Outcome = objective(*frames, sample=sample, with_background=True)
    return outcome


def test_objective_adds_the_models_two_terms_by_their_weights() -> None:
    network = discriminator().eval()
    changes = {"losses.adversarial": 3.0, "losses.feature_matching": 5.0}
    outcome = outcome_of(objective_of(config(**changes), network))
    drawn = network(outcome.pair.generated, outcome.pair.kp_driving)
    real = network(rand(2, 2, 3, 32, 32), outcome.pair.kp_driving)
    losses = {name: loss.item() for name, loss in outcome.losses.items()}
    expected = 3 * np.mean((1 - numbers(drawn.realness)) ** 2)
    assert losses["adversarial"] == pytest.approx(expected, rel=1e-5)
    pairs = zip(drawn.features, real.features, strict=True)
    expected = 5 * sum(np.abs(numbers(a) - numbers(b)).mean() for a, b in pairs)
    assert losses["feature_matching"] == pytest.approx(expected, rel=1e-5)
    assert losses.pop("loss") == pytest.approx(sum(losses.values()), rel=1e-5)


def test_the_models_terms_teach_the_model_and_not_the_discriminator() -> None:
    network = discriminator()
    objective = objective_of(config(), network)
    # What has no part in the objective is not trained, moved or averaged with it.
    assert not {id(p) for p in network.parameters()} & {id(p) for p in objective.parameters()}
    for name in ("adversarial", "feature_matching"):
        objective.zero_grad()
        outcome_of(objective).losses[name].backward()
        for part in ("keypoint_detector", "dense_motion", "inpainting"):
            taught = [p.grad for p in getattr(objective.model, part).parameters()]
            assert sum(float(g.abs().sum()) for g in taught if g is not None) > 0, (name, part)
    assert without_gradient(network.parameters())


def test_features_need_not_be_matched() -> None:
    outcome = outcome_of(objective_of(config(**{"losses.feature_matching": 0}), discriminator()))
    assert "adversarial" in outcome.losses
    assert "feature_matching" not in outcome.losses
