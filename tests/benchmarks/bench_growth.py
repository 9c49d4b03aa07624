"""Time and peak memory against frames, sizes, batch, candidates, cells and pairs.

    python -m pytest -s tests/benchmarks/bench_growth.py
    python -m tests.benchmarks growth

Every size runs in a process of its own. A row compares the largest size with a smaller one, grown
by the power of the size that the task itself demands: a ratio below 1 is time lost to growth.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from benchmarks._growth import Axis, Demand, Growth, growth_table, measure_growth
from benchmarks._growth_plot import draw
from benchmarks._report import Row, print_rows
from benchmarks.peer_loop import random_frames, random_model
from torch import Tensor

from cpabmm_core import Animator, load_model
from cpabmm_core.arrays import Frame
from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, sample, transform
from cpabmm_core.cpab.space import _basis
from cpabmm_core.inference import EncodedSource, InferenceModel, to_frames
from cpabmm_core.puppets import render_puppet

PRELOAD = ("benchmarks.bench_growth",)
SIDE = 64
"""Side of the frames of the small model, in pixels."""
NARROW = "puppets-64"


@cache
def puppet() -> list[Frame]:
    return list(render_puppet(seed=7, index=1, split="test", frames=9, size=128).frames)


def animate(count: int) -> Callable[[], object]:
    """Return the animation of a video, whose frames are neither stored before nor after."""
    animator = Animator(load_model("puppets", device="cpu"), batch_size=4)
    frames = puppet()

    def driving() -> Iterator[Frame]:
        for number in range(count):
            yield frames[number % len(frames)]

    return lambda: deque(animator.animate(frames[0], driving()), maxlen=0)


def render_larger(pixels: int) -> Callable[[], object]:
    """Return the rendering of four frames with this number of pixels each."""
    model = InferenceModel(load_model("puppets", device="cpu"), batch_size=4)
    frames = model.to_input(puppet()[:5])
    large = torch.nn.functional.interpolate(frames[:1], (round(pixels**0.5),) * 2, mode="bicubic")
    source = EncodedSource(model, frames[:1], large.clamp(0, 1))
    poses = model.model.keypoints(frames[1:]).detach()
    return lambda: to_frames(source.render(poses))


def render(frames: Tensor, *settings: str) -> Callable[[], object]:
    """Return the rendering of a batch by the narrow model, keypoints included."""
    model = InferenceModel(random_model(NARROW, f"data.frame_size={frames.shape[2]}", *settings))
    source = EncodedSource(model, frames[:1])

    @torch.no_grad()
    def task() -> None:
        source.render(model.model.keypoints(frames))

    return task


def render_pixels(pixels: int) -> Callable[[], object]:
    return render(random_frames(1, round(pixels**0.5)))


def render_batch(batch: int) -> Callable[[], object]:
    return render(random_frames(batch, SIDE))


def render_candidates(groups: int) -> Callable[[], object]:
    return render(random_frames(4, SIDE), f"model.keypoints.groups={groups}")


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


def squared(*sides: int) -> tuple[int, ...]:
    return tuple(side**2 for side in sides)


def find_basis(squares: int) -> Callable[[], object]:
    """Return the computation of the basis of a new space; spaces share those found before."""
    side = round(squares**0.5)

    def task() -> None:
        _basis.cache_clear()
        assert VelocitySpace(Tessellation(side, side)).dim

    return task


AXES = (
    Axis("frames", "a video, bundled model", (8, 16, 32, 64), animate, Demand(1, 0)),
    Axis("pixels", "4 larger frames", squared(256, 512, 1024, 2048), render_larger),
    Axis("pixels", "a frame, narrow model", squared(64, 128, 256, 512), render_pixels),
    Axis("frames", "a batch, narrow model", (1, 2, 4, 8, 16, 32), render_batch),
    Axis("groups", "4 frames, narrow model", (5, 10, 20, 40, 80), render_candidates),
    # A path crosses as many triangles as there are in a row.
    Axis("squares", "10 grids transformed", squared(4, 8, 16, 24), transform_grid, Demand(0.5)),
    # The prior couples the velocities of all vertices.
    Axis("squares", "10 fits of 5 pairs", squared(4, 8, 12, 16), fit_on_squares, Demand(2, 2)),
    # The basis has as many numbers as the square of that of the vertices.
    Axis("squares", "the basis of a space", squared(4, 8, 12, 16), find_basis, Demand(2, 2)),
    Axis("pairs", "one fit, 4 x 4 squares", (1000, 4000, 16_000, 64_000, 256_000), fit_many),
    Axis("fits", "fits of 5 pairs, 4 x 4 squares", (8, 32, 128, 512), fit_sets),
)


def growths() -> list[Growth]:
    return [measure_growth(axis, PRELOAD) for axis in AXES]


def measure() -> list[Row]:
    return [growth.row for growth in growths()]


def document(images: Path) -> tuple[list[Row], str]:
    """Draw the plots, and return rows and the text for the documentation."""
    measured = growths()
    draw(images / "growth.svg", measured)
    plot = "![Seconds and megabytes against size on logarithmic axes](../images/growth.svg)"
    return [growth.row for growth in measured], f"{growth_table(measured)}\n\n{plot}"


@pytest.mark.usefixtures("all_cores")
def test_growth() -> None:
    measured = growths()
    print_rows([growth.row for growth in measured])
    print(growth_table(measured))
    assert all(growth.exponent < growth.axis.demand.time + 0.25 for growth in measured)
