"""Compare `fit(solver="adam")` with the loop of the paper's code on libcpab, on real motion.

    python -m pip install ".[bench]" && python -m pytest -s tests/benchmarks/bench_paper_fit.py

Frames 0, 9 and 18 of tests/golden/fit are fitted one at a time, as in the paper's code: the
transformations of the 10 groups (4 x 4 squares, 200 iterations), then that of all 50 keypoints
(6 x 6, 300). Flows are compared on a 64 x 64 grid of the unit square, relative to the motion.

Adam's path depends on the basis, and libcpab's basis depends on the machine (`cpab/axes.py`). Our
fit therefore runs in the basis of the installed libcpab, where both must agree, and in the stored
basis.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import libcpab
import pytest
import torch
from _helpers.libcpab_fit import axes_of, paper_adam, transform_points
from _helpers.real_motion import ERRORS, RealMotion, load_real_motion
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, adam, axes, fit, transform
from cpabmm_core.geometry.coordinates import identity_grid, to_unit_square

DATA = Path(__file__).parents[1] / "golden" / "fit"
FRAMES = (0, 9, 18)
GRID = to_unit_square(identity_grid(64, 64)).view(1, -1, 2)


class Fitted(NamedTuple):
    """Residual and flows of the fits of some frames."""

    residual: float
    """Mean residual at the keypoints."""
    flows: Tensor  # (fits, 4096, 2)

    def difference_from(self, other: "Fitted") -> float:
        motion = (other.flows - GRID).norm(dim=-1).mean()
        return float((self.flows - other.flows).norm(dim=-1).mean() / motion)


def pairs_of(points: int) -> list[tuple[Tensor, Tensor]]:
    """Return (50 / points, points, 2) of driving frame and source, for each frame."""
    motion = load_real_motion(DATA)
    return [
        (motion.driving[i].reshape(-1, points, 2), motion.source[i].reshape(-1, points, 2))
        for i in FRAMES
    ]


def fit_on_libcpab(engine: libcpab.Cpab, points: int, iterations: int) -> Fitted:
    residuals, flows = [], []
    for driving, source in pairs_of(points):
        theta = paper_adam(engine, driving.float(), source.float(), iterations)
        residuals.append((transform_points(engine, theta, driving.float()) - source).norm(dim=-1))
        flows.append(transform_points(engine, theta, GRID.expand(len(theta), -1, -1)))
    return Fitted(float(torch.cat(residuals).mean()), torch.cat(flows))


def ours(cells: int, points: int, iterations: int) -> Fitted:
    space = VelocitySpace(Tessellation(cells, cells))
    residuals, flows = [], []
    for driving, source in pairs_of(points):
        result = fit(space, driving, source, "adam", iterations=iterations)
        residuals.append(result.residual.norm(dim=-1))
        flows.append(transform(space, result.theta, GRID.double().expand(len(driving), -1, -1)))
    return Fitted(float(torch.cat(residuals).mean()), torch.cat(flows))


@contextmanager
def use_axes(choose: Callable[[VelocitySpace], Tensor]) -> Iterator[None]:
    """Replace the axes of new spaces; existing ones have cached theirs."""
    with (
        mock.patch.object(axes, "descent_axes", choose),
        mock.patch.object(adam, "descent_axes", choose),
    ):
        yield


@pytest.mark.usefixtures("all_cores")
@pytest.mark.parametrize(
    ("name", "cells", "points", "iterations"), [("local", 4, 5, 200), ("global", 6, 50, 300)]
)
def test_residual_and_flows_are_within_five_per_cent(
    name: str, cells: int, points: int, iterations: int
) -> None:
    engine = libcpab.Cpab([cells, cells], zero_boundary=False)
    theirs = fit_on_libcpab(engine, points, iterations)
    with use_axes(partial(axes_of, engine)):
        same_axes = ours(cells, points, iterations)
    print(f"\n{name}: libcpab leaves {theirs.residual:.3e}")
    for what, fitted in (
        ("on its axes", same_axes),
        ("on our own", ours(cells, points, iterations)),
    ):
        change = fitted.residual / theirs.residual - 1
        print(
            f"  ours {what}: {fitted.residual:.3e} ({change:+.1%}), "
            f"flows {fitted.difference_from(theirs):.1%} apart"
        )
    assert same_axes.residual == pytest.approx(theirs.residual, rel=0.05)
    assert same_axes.difference_from(theirs) < 0.05


class Change(NamedTuple):
    """A change of the paper's fit."""

    axes: Callable[[VelocitySpace], Tensor] = axes.descent_axes
    all_frames_together: bool = False
    shift: float = 0.0


def _rotation(seed: int, space: VelocitySpace) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    samples = torch.randn(space.dim, space.dim, generator=generator, dtype=torch.float64)
    rotation: Tensor = torch.linalg.qr(samples).Q
    return rotation


CHANGES = {
    "as it is": Change(),
    "keypoints moved by 1e-8": Change(shift=1e-8),
    "all frames share a norm": Change(all_frames_together=True),
    "another rotation": Change(partial(_rotation, 1)),
    "and another": Change(partial(_rotation, 2)),
    "the basis of VelocitySpace": Change(lambda space: torch.eye(space.dim, dtype=torch.float64)),
}


def _candidates(motion: RealMotion, change: Change) -> tuple[list[float], Tensor]:
    """Return the mean residuals at the keypoints, and (26, 11, N, 2) of the other points."""
    left, candidates = [], []
    for cells, groups, iterations in ((4, 10, 200), (6, 1, 300)):
        space = VelocitySpace(Tessellation(cells, cells))
        driving = motion.driving.reshape(26 * groups, -1, 2)
        generator = torch.Generator().manual_seed(0)
        driving = driving + change.shift * torch.randn(driving.shape, generator=generator).double()
        source = motion.source.reshape(driving.shape)
        together = None if change.all_frames_together else groups
        result = fit(space, driving, source, "adam", iterations=iterations, together=together)
        left.append(float(result.residual.norm(dim=-1).mean()))
        moved = transform(space, result.theta, motion.points.repeat_interleave(groups, dim=0))
        candidates.append(moved.view(26, groups, -1, 2))
    return left, torch.cat(candidates, dim=1)


def _differences(candidates: Tensor, first: Tensor, points: Tensor) -> tuple[float, float]:
    distance = (candidates - first).norm(dim=-1)
    moved = (first - points[:, None]).norm(dim=-1)
    local = distance[:, :10].mean() / moved[:, :10].mean()
    return float(local), float(distance[:, 10].mean() / moved[:, 10].mean())


def test_what_the_papers_fit_depends_on() -> None:
    """Use all 26 frames at points of the moving bodies; differences are relative to row 1."""
    motion = load_real_motion(DATA)
    print("\n| | left, local | left, global | apart, local | apart, global | " + " | ".join(ERRORS))
    first = None
    for name, change in CHANGES.items():
        with use_axes(change.axes):
            left, candidates = _candidates(motion, change)
        first = candidates if first is None else first
        errors = motion.errors_of(candidates)
        print(
            f"| {name} | {left[0]:.2e} | {left[1]:.2e} | "
            + " | ".join(f"{share:.1%}" for share in _differences(candidates, first, motion.points))
            + " | "
            + " | ".join(f"{errors[key]:.3f}" for key in ERRORS)
        )
