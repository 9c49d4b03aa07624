"""Real motion in 26 pairs of frames, and the error of a fit away from its keypoints."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform

Fit = Callable[[VelocitySpace, Tensor, Tensor], Tensor]
"""(space, source (B, P, 2), target (B, P, 2)) -> theta (B, dim)."""

ERRORS = ("nearest_group", "best_candidate", "global")

_PIXELS = 255.0
"""The side of the unit square: the distance between the outer pixel centres of a 256 px image."""


@dataclass(frozen=True)
class RealMotion:
    """Keypoints and test points on the same bodies, (x, y) in the unit square, float64."""

    driving: Tensor  # (26, 10, 5, 2)
    source: Tensor  # (26, 10, 5, 2)
    points: Tensor  # (26, N, 2) in the driving frame
    truth: Tensor  # (26, N, 2) in the source frame
    peers: dict[str, dict[str, float]]

    def errors(self, fit: Fit, local_cells: int = 4, global_cells: int = 6) -> dict[str, float]:
        """Return mean errors in pixels (of 256) for 10 local fits and a global one per pair."""
        pairs, groups, _, _ = self.driving.shape
        local = _extend(
            local_cells,
            fit,
            self.driving.flatten(0, 1),
            self.source.flatten(0, 1),
            self.points.repeat_interleave(groups, dim=0),
        ).view(pairs, groups, -1, 2)
        whole = _extend(
            global_cells, fit, self.driving.flatten(1, 2), self.source.flatten(1, 2), self.points
        )
        return self.errors_of(torch.cat([local, whole[:, None]], dim=1))

    def errors_of(
        self,
        candidates: Tensor,  # (26, 10 or 11, N, 2): the groups' predictions, then the global one
    ) -> dict[str, float]:
        """Return the mean errors of predicted points in pixels."""
        distances = _PIXELS * (candidates - self.truth[:, None]).norm(dim=-1)
        nearest = torch.cdist(self.points, self.driving.mean(dim=2)).argmin(dim=2)
        groups = self.driving.shape[1]
        errors = {
            "nearest_group": distances[:, :groups].gather(1, nearest[:, None]).mean().item(),
            "best_candidate": distances.min(dim=1).values.mean().item(),
        }
        if distances.shape[1] > groups:
            errors["global"] = distances[:, groups:].mean().item()
        return errors


def load_real_motion(folder: Path) -> RealMotion:
    """Read `motion.npz` and `motion.json`."""
    with np.load(folder / "motion.npz") as arrays:
        driving, source, points, truth = (
            to_unit_square(arrays[name])
            for name in ("driving", "source", "test_points", "test_truth")
        )
    peers = json.loads((folder / "motion.json").read_text())
    return RealMotion(driving, source, points, truth, peers)


def to_unit_square(array: np.ndarray) -> Tensor:
    """Map points from [-1, 1] to the unit square."""
    return (torch.from_numpy(array).double() + 1) / 2


def _extend(cells: int, fit: Fit, source: Tensor, target: Tensor, points: Tensor) -> Tensor:
    """Fit a transformation to keypoints and apply it to other points."""
    space = VelocitySpace(Tessellation(cells, cells))
    return transform(space, fit(space, source, target), points)
