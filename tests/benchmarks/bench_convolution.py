"""Time of the networks' 3 x 3 convolutions for inference, ours and PyTorch's operator.

    python -m pytest -s tests/benchmarks/bench_convolution.py
    python -m tests.benchmarks convolution

The layers are those of the full-width networks at 256 x 256 and of the bundled model at 96 x 96.
Ours computes by tiles whether or not a trial would choose it. PyTorch's operator works in the
memory format that is faster for it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from benchmarks._report import Row, alternate, print_rows
from torch import nn

from cpabmm_core.convolution.convolution import Convolution
from cpabmm_core.convolution.fusion import Fusion

INSTRUCTION_SETS = ("native", "avx2")


class Layer(NamedTuple):
    """A convolution; the size is that of its input."""

    channels: int
    out_channels: int
    size: int
    upsampled: bool = False

    def __str__(self) -> str:
        doubled = " upsampled," if self.upsampled else ""
        return f"{self.channels} to {self.out_channels} channels,{doubled} {self.size} px"


GENERATOR = (
    Layer(512, 512, 32),
    Layer(512, 256, 32, upsampled=True),
    Layer(512, 512, 64),
    Layer(512, 128, 64, upsampled=True),
    Layer(256, 256, 128),
    Layer(256, 64, 128, upsampled=True),
)
MOTION = (
    Layer(87, 128, 64),
    Layer(128, 256, 32),
    Layer(256, 512, 16),
    Layer(512, 128, 16, upsampled=True),
    Layer(256, 64, 32, upsampled=True),
    Layer(151, 75, 64, upsampled=True),
    Layer(75, 37, 128, upsampled=True),
)
KEYPOINTS = (Layer(64, 64, 64), Layer(128, 128, 32), Layer(256, 256, 16), Layer(512, 512, 8))
BUNDLED = (Layer(64, 64, 24), Layer(64, 32, 24, upsampled=True), Layer(32, 16, 48, upsampled=True))


def compare(layer: Layer, batch: int = 1) -> Row:
    """Time a layer."""
    conv = nn.Conv2d(layer.channels, layer.out_channels, 3, padding=1).eval()
    maps = torch.randn(batch, layer.channels, layer.size, layer.size)
    last = maps.contiguous(memory_format=torch.channels_last)
    fast, nothing = Convolution(conv, upsampled=layer.upsampled), Fusion()
    difference = (fast._tiled(last, nothing)[0] - fast._plain(maps, nothing)[0]).abs().max()
    assert difference < 1e-3
    actions = [
        lambda: fast._plain(maps, nothing),
        lambda: fast._plain(last, nothing),
        lambda: fast._tiled(last, nothing),
    ]
    first, second, ours = alternate(actions, repeats=9, warm_up=2)
    return Row(f"{layer}, batch {batch}", "PyTorch", min(first, second), ours)


@torch.no_grad()
def rows(layers: tuple[Layer, ...], batches: tuple[int, ...] = (1, 4)) -> Iterator[Row]:
    """Time layers at several batch sizes."""
    torch.manual_seed(0)
    for layer in layers:
        for batch in batches:
            yield compare(layer, batch)


def measure() -> list[Row]:
    return list(rows((*GENERATOR, *MOTION, *KEYPOINTS, *BUNDLED), batches=(1,)))


@pytest.mark.usefixtures("all_cores")
def test_layers_of_the_generator_are_faster() -> None:
    found = list(rows((*GENERATOR, *MOTION, *KEYPOINTS, *BUNDLED)))
    print_rows(found)
    for row in found[: 2 * len(GENERATOR)]:
        assert row.ratio > 1.5
