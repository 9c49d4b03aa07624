"""Time and peak memory of CPAB against squares, pairs and fits.

    python -m pytest -s tests/benchmarks/bench_growth_fits.py
    python -m tests.benchmarks growth_fits

`bench_growth_frames.py` explains the rows.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from benchmarks._growth import Axis, Demand, measure_growth, rows_of
from benchmarks._growth_plot import document_growth
from benchmarks._report import Row, print_rows

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, sample, transform
from cpabmm_core.cpab.space import _basis

SQUARES = tuple(side**2 for side in (4, 8, 12, 16))


def space_of(squares: int) -> VelocitySpace:
    side = round(squares**0.5)
    space = VelocitySpace(Tessellation(side, side))
    assert space.dim  # computes the basis
    return space


def transform_grid(squares: int) -> Callable[[], object]:
    """Return 10 transformations of a 64 x 64 grid of points."""
    space = space_of(squares)
    generator = torch.Generator().manual_seed(0)
    theta = sample(space, 10, magnitude=0.05, generator=generator).float()
    points = torch.rand(10, 4096, 2, generator=generator)
    return partial(transform, space, theta, points)


def fit_pairs(space: VelocitySpace, sets: int, pairs: int) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(sets, pairs, 2, generator=generator).double()
    theta = sample(VelocitySpace(Tessellation(3, 3)), sets, magnitude=0.05, generator=generator)
    target = transform(VelocitySpace(Tessellation(3, 3)), theta.double(), source)
    return partial(fit, space, source, target)


def fit_on_squares(squares: int) -> Callable[[], object]:
    return fit_pairs(space_of(squares), 10, 5)


def fit_many(pairs: int) -> Callable[[], object]:
    return fit_pairs(space_of(16), 1, pairs)


def fit_sets(sets: int) -> Callable[[], object]:
    return fit_pairs(space_of(16), sets, 5)


def find_basis(squares: int) -> Callable[[], object]:
    """Return the computation of the basis of a new space; spaces share those found before."""
    side = round(squares**0.5)

    def task() -> None:
        _basis.cache_clear()
        assert VelocitySpace(Tessellation(side, side)).dim

    return task


AXES = (
    # Coordinates refer to a dense basis, and the prior couples the velocities of all vertices.
    Axis("squares", "10 grids transformed", SQUARES, transform_grid, Demand(2, 2)),
    Axis("squares", "10 fits of 5 pairs", SQUARES, fit_on_squares, Demand(2, 2)),
    Axis("squares", "the basis of a space", SQUARES, find_basis, Demand(2, 2)),
    Axis("pairs", "one fit, 4 x 4 squares", (1000, 4000, 16_000, 64_000), fit_many),
    Axis("fits", "fits of 5 pairs, 4 x 4 squares", (8, 32, 128, 512), fit_sets),
)


def measure() -> list[Row]:
    return rows_of(AXES, __name__)


def document(images: Path) -> tuple[list[Row], str]:
    return document_growth(AXES, __name__, images / "growth-fits.svg")


@pytest.mark.usefixtures("all_cores")
def test_nothing_grows_faster_than_it_must() -> None:
    for axis in AXES:
        growth = measure_growth(axis, [__name__])
        print_rows([growth.row])
        assert growth.exponent < axis.demand.time + 0.25
