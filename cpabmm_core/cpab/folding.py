"""Detection of point pairs that no smooth one-to-one map can fit."""

import torch
from torch import Tensor

from cpabmm_core.cpab.problem import Problem

_SQUEEZED = 0.2
_POINTS_AT_ONCE = 256  # bounds the memory


def find_folds(
    problem: Problem,
    end: Tensor,  # (B, P, 2) transformed source
) -> Tensor:  # (B,) bool
    """Return whether two points of a set would have to pass through each other.

    Such points are stuck: the fit has reduced their distance to less than a fifth, and they still
    lie in the order opposite to that of their targets. Points no further apart than the noise may
    swap at random; the fit does not squeeze them, so they do not count as folded.
    """
    counted = problem.weights > 0
    folded = torch.zeros(len(end), dtype=torch.bool, device=end.device)
    for part in torch.arange(end.shape[1], device=end.device).split(_POINTS_AT_ONCE):
        was, now, wanted = (
            points[:, part, None] - points[:, None]  # (B, part, P, 2)
            for points in (problem.source, end, problem.target)
        )
        squeezed = now.norm(dim=3) < _SQUEEZED * was.norm(dim=3)
        stuck = squeezed & ((now * wanted).sum(3) < 0)
        folded |= (stuck & counted[:, part, None] & counted[:, None]).any(2).any(1)
    return folded
