"""Optimisation steps of the avd network on sampled keypoints."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cpabmm_core.config import AvdTrainingConfig
from cpabmm_core.geometry.local_affine import have_jacobians, jacobians, positions, stretch
from cpabmm_core.models.avd import AvdNetwork
from cpabmm_core.training.keypoint_tracks import KeypointTracks
from cpabmm_core.training.schedule import learning_rate_factor

_STREAM = 0xA7D  # separates these random numbers from others with the same seed


def optimise(
    network: AvdNetwork,
    optimizer: torch.optim.Optimizer,
    tracks: KeypointTracks,
    settings: AvdTrainingConfig,
    seed: int,
    steps: Iterable[int],
) -> Iterator[dict[str, Tensor]]:
    """Take optimisation steps, whose random choices depend on `seed` and the step number only.

    Args:
        network: network to train.
        optimizer: optimizer of its parameters.
        tracks: keypoints to sample pairs from.
        settings: section ``avd`` of the configuration.
        seed: seed of the run.
        steps: numbers of the steps to take.

    Yields:
        The losses of each step: ``loss``, its parts (see `_loss`), and ``unchanged``, the loss of a
        network that returns the stretched pose unchanged.
    """
    network.train()
    for step in steps:
        epoch = step / steps_per_epoch(tracks, settings)
        factor = learning_rate_factor(settings.milestones, settings.milestone_factor, epoch)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        rng = np.random.default_rng((_STREAM, seed, step))
        identity, driving = tracks.pairs(settings.batch_size, rng)
        pose = stretch(driving, _random_scale(settings, rng).to(driving.device))
        losses = _loss(network(identity, pose), driving)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        detached = {name: value.detach() for name, value in losses.items()}
        yield {**detached, "unchanged": _loss(pose, driving)["loss"]}


def steps_per_epoch(tracks: KeypointTracks, settings: AvdTrainingConfig) -> float:
    """Return the number of steps in which each identity is sampled `repeats` times on average."""
    return len(tracks) * settings.repeats / settings.batch_size


def _loss(
    found: Tensor,  # (B, N, 2 or 6): see geometry.local_affine
    wanted: Tensor,  # (B, N, 2 or 6)
) -> dict[str, Tensor]:
    """Return the mean absolute differences of positions and of jacobians, and their sum (MRAA).

    Positions are in [-1, 1]. For keypoints with jacobians the parts are named ``positions`` and
    ``frames``.
    """
    shift = F.l1_loss(positions(found), positions(wanted))
    if not have_jacobians(wanted):
        return {"loss": shift}
    affine = F.l1_loss(jacobians(found), jacobians(wanted))
    return {"positions": shift, "frames": affine, "loss": shift + affine}


def _random_scale(settings: AvdTrainingConfig, rng: np.random.Generator) -> Tensor:  # (B, 1, 2)
    most = settings.random_scale
    return torch.from_numpy(rng.uniform(1 - most, 1 + most, (settings.batch_size, 1, 2))).float()
