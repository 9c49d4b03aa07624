"""Detection of point pairs that no smooth one-to-one map can fit."""

import torch
from torch import Tensor

from cpabmm_core.cpab.problem import Problem

_SQUEEZED = 0.2
_ALL_PAIRS = 1024
"""Points of a set up to which every two are compared."""
_AT_ONCE = 256
"""Points compared with all others at once, which bounds the memory."""
_NEIGHBOURS = 8
_SHIFTS = (0.0, 1 / 3, 2 / 3)
"""Shifts of the curve: two near points lie near each other along one of the curves."""
_BITS = 16


def find_folds(
    problem: Problem,
    end: Tensor,  # (B, P, 2) transformed source
) -> Tensor:  # (B,) bool
    """Return whether two points of a set would have to pass through each other.

    Such points are stuck: the fit has reduced their distance to less than a fifth, and they still
    lie in the order opposite to that of their targets. Points no further apart than the noise may
    swap at random; the fit does not squeeze them, so they do not count as folded.

    The number of pairs of points grows with the square of the points. In large sets the squeezed
    ones are found where the fit has put them close together: each point is compared with its
    neighbours along space-filling curves through the transformed points. About a thousand points,
    spread evenly along such a curve, are also compared with each other.
    """
    places = torch.cat([problem.source, end, problem.target], dim=2).permute(2, 0, 1)  # (6, B, P)
    counted = problem.weights > 0
    if end.shape[1] <= _ALL_PAIRS:
        return _any_two_stuck(places, counted)
    folded = torch.zeros(len(end), dtype=torch.bool, device=end.device)
    for shift in _SHIFTS:
        order = _along_curve(places[2:4], shift)
        places, counted = places.gather(2, order.expand(6, -1, -1)), counted.gather(1, order)
        for apart in range(1, _NEIGHBOURS + 1):
            stuck = _are_stuck(places[..., apart:], places[..., :-apart])
            folded |= (stuck & counted[:, apart:] & counted[:, :-apart]).any(1)
    step = -(-end.shape[1] // _ALL_PAIRS)
    return folded | _any_two_stuck(places[..., ::step], counted[:, ::step])


def _any_two_stuck(places: Tensor, counted: Tensor) -> Tensor:  # (B,)
    folded = torch.zeros(len(counted), dtype=torch.bool, device=counted.device)
    for part in torch.arange(places.shape[2], device=places.device).split(_AT_ONCE):
        stuck = _are_stuck(places[:, :, part, None], places[:, :, None])
        folded |= (stuck & counted[:, part, None] & counted[:, None]).any(2).any(1)
    return folded


def _are_stuck(first: Tensor, other: Tensor) -> Tensor:  # (B, ...)
    """Return which points are stuck.

    Args:
        first: (6, B, ...) x and y of the source, the transformed source and the target.
        other: the points to compare with.
    """
    was_x, was_y, x, y, wanted_x, wanted_y = first - other
    squeezed = x * x + y * y < _SQUEEZED**2 * (was_x * was_x + was_y * was_y)
    stuck: Tensor = squeezed & (x * wanted_x + y * wanted_y < 0)
    return stuck


def _along_curve(
    points: Tensor,  # (2, B, P)
    shift: float,
) -> Tensor:  # (B, P) indices
    """Order points along a Morton curve, which visits near points one after another."""
    low, high = points.amin(2, keepdim=True), points.amax(2, keepdim=True)
    scaled = (points - low) / (high - low).clamp_min(torch.finfo(points.dtype).tiny)
    whole = ((scaled + shift).nan_to_num(0.0) * (2 ** (_BITS - 1) - 1)).long()
    code = torch.zeros_like(whole[0])
    for bit in range(_BITS):
        code = code | (whole[0] >> bit & 1) << 2 * bit | (whole[1] >> bit & 1) << 2 * bit + 1
    order: Tensor = code.argsort(dim=1)
    return order
