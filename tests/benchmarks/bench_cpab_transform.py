"""Time 10 transformations of a 64 x 64 grid, ours and libcpab's, in one process.

    python -m pip install ".[bench]" && python -m pytest -s tests/benchmarks/bench_cpab_transform.py

The result is the median of many calls. The libraries run one after the other with a rest between
them, because the threads of PyTorch, which libcpab uses, busy-wait for a while after a call. The
motions are samples of the smooth prior with an r.m.s. of 0.05 of the square. libcpab always takes
50 steps; ours takes one per crossed triangle.
"""

import statistics
from collections.abc import Callable
from functools import partial
from time import perf_counter, sleep

import libcpab
import pytest
import torch
from benchmarks._report import Row, print_rows
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, sample, transform

INSTRUCTION_SETS = ("native", "avx2")
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


def measure() -> list[Row]:
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

    difference = float((ours(theta) - theirs(peer)).abs().max())
    assert difference < 1e-2  # the same transformations
    upstream = torch.randn(points.shape, generator=generator)
    rows = []
    for what, mine, other in (
        ("10 CPAB transformations of a 64 x 64 grid", partial(ours, theta), partial(theirs, peer)),
        (
            "the same with the gradient for theta",
            partial(with_gradient, ours, theta, upstream),
            partial(with_gradient, theirs, peer, upstream),
        ),
    ):
        here, there = seconds(mine), seconds(other)
        rows.append(Row(what, "libcpab", there, here, f"largest difference {difference:.1e}"))
    return rows


@pytest.mark.usefixtures("all_cores")
def test_transform_is_40_times_faster_also_with_its_gradient() -> None:
    rows = measure()
    print_rows(rows)
    for row in rows:
        assert row.ratio > 40
