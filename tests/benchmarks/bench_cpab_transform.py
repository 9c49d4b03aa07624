"""Time of 10 transformations of a 64 x 64 grid, ours against libcpab, in one run.

    python -m pip install ".[bench]" && python -m pytest -s tests/benchmarks/bench_cpab_transform.py

The two take turns, so that what else the machine does befalls both; medians are compared. The
motions are drawn from the smooth prior, 0.05 of the square on average. libcpab takes 50 steps
whatever the motion; ours takes one a triangle crossed.
"""

from collections.abc import Callable
from time import perf_counter

import libcpab
import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, sample, transform

TURNS = 15


def grid(count: int, size: int) -> Tensor:
    """(count, size * size, 2) the same regular grid of points for each transformation."""
    axis = torch.linspace(0, 1, size)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows], dim=-1).view(1, -1, 2).repeat(count, 1, 1)


def seconds(action: Callable[[], object]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def with_gradient(move: Callable[[Tensor], Tensor], theta: Tensor) -> None:
    theta = theta.clone().requires_grad_()
    move(theta).square().sum().backward()


def test_transform_is_20_times_faster_and_with_its_gradient_40_times() -> None:
    space, engine = VelocitySpace(Tessellation(4, 4)), libcpab.Cpab([4, 4], zero_boundary=False)
    generator = torch.Generator().manual_seed(0)
    theta = sample(space, 10, magnitude=0.05, generator=generator).float()
    points = grid(10, 64)
    transposed = points.transpose(1, 2).contiguous()
    basis = torch.as_tensor(engine.params.basis).double()  # of the same space, in other coordinates
    peer = torch.linalg.lstsq(basis, space.affine(theta.double()).flatten(1).T).solution.T.float()

    def ours(theta: Tensor) -> Tensor:
        return transform(space, theta, points)

    def theirs(theta: Tensor) -> Tensor:
        moved: Tensor = engine.transform_grid(transposed, theta).transpose(1, 2)
        return moved

    difference = (ours(theta) - theirs(peer)).abs().max()
    shift = (ours(theta) - points).norm(dim=2).mean()
    print(f"\n{torch.get_num_threads()} threads; motion {shift:.3f}, difference {difference:.1e}")
    assert difference < 1e-2  # the same transformations
    ratios = []
    for name, mine, other in (
        ("forward", lambda: ours(theta), lambda: theirs(peer)),
        (
            "with the gradient for theta",
            lambda: with_gradient(ours, theta),
            lambda: with_gradient(theirs, peer),
        ),
    ):
        mine()
        other()
        times = np.array([[seconds(mine), seconds(other)] for _ in range(TURNS)])
        median = np.median(times, axis=0)
        ratios.append(median[1] / median[0])
        print(
            f"{name}: ours {median[0] * 1e3:.2f} ms, libcpab {median[1] * 1e3:.1f} ms, "
            f"{ratios[-1]:.1f} times faster"
        )
    assert ratios[0] > 20
    assert ratios[1] > 40
