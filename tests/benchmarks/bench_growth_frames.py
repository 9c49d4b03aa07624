"""Time and peak memory against the number of frames, their size, the batch, and candidates.

    python -m pytest -s tests/benchmarks/bench_growth_frames.py
    python -m tests.benchmarks growth_frames

Every size runs in a process of its own. A row compares the largest size with a smaller one, grown
by the power of the size that the task itself demands: a ratio below 1 is time lost to growth.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from benchmarks._growth import Axis, Demand, measure_growth, rows_of
from benchmarks._growth_plot import document_growth
from benchmarks._report import Row, print_rows
from benchmarks.peer_loop import random_frames, random_model
from torch import Tensor

from cpabmm_core import Animator, load_model
from cpabmm_core.arrays import Frame
from cpabmm_core.inference import EncodedSource, InferenceModel, to_frames
from cpabmm_core.puppets import render_puppet

SIDE = 64
"""Side of the frames of the narrow model, in pixels."""
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


def squared(*sides: int) -> tuple[int, ...]:
    return tuple(side**2 for side in sides)


AXES = (
    Axis("frames", "a video, bundled model", (4, 8, 16, 32), animate, Demand(1, 0)),
    Axis("pixels", "4 larger frames", squared(192, 384, 768, 1536), render_larger),
    Axis("pixels", "a frame, narrow model", squared(64, 128, 256, 512), render_pixels),
    Axis("frames", "a batch, narrow model", (1, 2, 4, 8, 16), render_batch),
    Axis("groups", "4 frames, narrow model", (5, 10, 20, 40), render_candidates),
)


def measure() -> list[Row]:
    return rows_of(AXES, __name__)


def document(images: Path) -> tuple[list[Row], str]:
    return document_growth(AXES, __name__, images / "growth-frames.svg")


@pytest.mark.usefixtures("all_cores")
def test_nothing_grows_faster_than_it_must() -> None:
    for axis in AXES:
        growth = measure_growth(axis, [__name__])
        print_rows([growth.row])
        assert growth.exponent < axis.demand.time + 0.25
