"""Heatmaps as distributions over positions, whose mean is a differentiable argmax."""

from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid


def shares_and_grid(
    logits: Tensor,  # (B, N, h, w)
    temperature: float,
) -> tuple[Tensor, Tensor]:  # (B, N, h * w), sums to 1; (h * w, 2) in [-1, 1]
    """What share of each heatmap lies at which position.

    Convention: (x, y), -1 and 1 are the centres of the heatmap's first and last pixel.
    """
    shares = (logits.flatten(2) / temperature).softmax(dim=2)
    grid = identity_grid(*logits.shape[2:], device=logits.device, dtype=logits.dtype)
    return shares, grid.flatten(0, 1)
