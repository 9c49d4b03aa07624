"""Pairs of points that no smooth one-to-one map can take where they should go."""

import torch
from torch import Tensor

from cpabmm_core.cpab.problem import Problem

_SQUEEZED = 0.2
_AT_ONCE = 256  # points; bounds the memory


def folded(
    problem: Problem,
    end: Tensor,  # (B, P, 2) transformed source
) -> Tensor:  # (B,) bool
    """Whether two points of a set should pass through one another, and are stuck halfway.

    That is: the fit has squeezed them to less than a fifth of their distance, and still they lie
    the other way around than their targets. Points as close as the noise are not squeezed by the
    fit, so that their order, which is chance, raises no alarm.
    """
    counted = problem.weights > 0
    found = torch.zeros(len(end), dtype=torch.bool, device=end.device)
    for part in torch.arange(end.shape[1], device=end.device).split(_AT_ONCE):
        was, now, wanted = (
            points[:, part, None] - points[:, None]  # (B, part, P, 2)
            for points in (problem.source, end, problem.target)
        )
        squeezed = now.norm(dim=3) < _SQUEEZED * was.norm(dim=3)
        stuck = squeezed & ((now * wanted).sum(3) < 0)
        found |= (stuck & counted[:, part, None] & counted[:, None]).any(2).any(1)
    return found
