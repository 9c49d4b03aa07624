"""Spatial softmax: heatmaps as distributions over positions, whose mean is a soft argmax."""

from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid


def spatial_softmax(
    logits: Tensor,  # (B, N, h, w)
    temperature: float,
) -> tuple[Tensor, Tensor]:  # (B, N, h * w), sums to 1; (h * w, 2) in [-1, 1]
    """Return the probability of each position under each heatmap, and the positions.

    ``weights @ positions`` is the soft argmax.

    Convention: (x, y); -1 and 1 are the centres of the heatmap's first and last pixel.

    Args:
        logits: the heatmaps.
        temperature: divisor of the logits; a smaller one gives sharper distributions.
    """
    weights = (logits.flatten(2) / temperature).softmax(dim=2)
    grid = identity_grid(*logits.shape[2:], device=logits.device, dtype=logits.dtype)
    return weights, grid.flatten(0, 1)
