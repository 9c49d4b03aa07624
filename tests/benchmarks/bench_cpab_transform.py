"""Time 10 transformations of a 64 x 64 grid, ours and libcpab's, in one process.

    python -m pip install ".[bench]" && python -m pytest -s tests/benchmarks/bench_cpab_transform.py

The result is the median of many calls. The libraries run one after the other with a rest between
them, because the threads of PyTorch, which libcpab uses, busy-wait for a while after a call. The
motions are samples of the smooth prior with an r.m.s. of 0.05 of the square. libcpab always takes
50 steps; ours takes one per crossed triangle.
"""

import statistics
from collections.abc import Callable
from time import perf_counter, sleep

import libcpab
import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, sample, transform

CALLS = 15
REST = 0.2  # seconds


def grid(count: int, size: int) -> Tensor:
    """Return the same regular grid of points (count, size * size, 2) for each transformation."""
    axis = torch.linspace(0, 1, size)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows], dim=-1).view(1, -1, 2).repeat(count, 1, 1)


def seconds(action: Callable[[], object]) -> float:
    """Return the median time of a call."""
    action()
    sleep(REST)
    times = []
    for _ in range(CALLS):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return statistics.median(times)


def with_gradient(move: Callable[[Tensor], Tensor], theta: Tensor, upstream: Tensor) -> None:
    theta = theta.clone().requires_grad_()
    torch.autograd.grad(move(theta), theta, upstream)


@pytest.mark.usefixtures("all_cores")
def test_transform_is_20_times_faster_and_with_its_gradient_40_times() -> None:
    space, engine = VelocitySpace(Tessellation(4, 4)), libcpab.Cpab([4, 4], zero_boundary=False)
    generator = torch.Generator().manual_seed(0)
    theta = sample(space, 10, magnitude=0.05, generator=generator).float()
    points = grid(10, 64)
    transposed = points.transpose(1, 2).contiguous()
    basis = torch.as_tensor(engine.params.basis).double()  # the same space in other coordinates
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
    upstream = torch.randn(points.shape, generator=generator)
    ratios = []
    for name, mine, other in (
        ("forward", lambda: ours(theta), lambda: theirs(peer)),
        (
            "with the gradient for theta",
            lambda: with_gradient(ours, theta, upstream),
            lambda: with_gradient(theirs, peer, upstream),
        ),
    ):
        here, there = seconds(mine), seconds(other)
        ratios.append(there / here)
        print(
            f"{name}: ours {here * 1e3:.2f} ms, libcpab {there * 1e3:.1f} ms, "
            f"{ratios[-1]:.1f} times faster"
        )
    assert ratios[0] > 20
    assert ratios[1] > 40
