"""The parts of prepared networks against PyTorch's operators in float64."""

import os
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cpabmm_core.models.blocks import DownBlock, Hourglass, ResidualBlock, SameBlock, UpBlock
from cpabmm_core.models.fast.convolution import FastConv2d
from cpabmm_core.models.fast.few_channels import by_rows
from cpabmm_core.models.fast.lanes import in_lanes
from cpabmm_core.models.fast.normalisation import normalise
from cpabmm_core.models.fast.prepare import _FAST, _prepare

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(9, 12), (5, 7), (16, 16)])
@pytest.mark.parametrize(
    ("kernel", "padding"), [((7, 7), 3), ((7, 7), 2), ((5, 7), 0), ((5, 5), 6)]
)
def test_rows_of_the_kernel_add_up(
    size: tuple[int, int], kernel: tuple[int, int], padding: int
) -> None:
    conv = nn.Conv2d(5, 3, kernel, padding=padding).double()
    x = torch.randn(2, 5, *size, dtype=torch.float64)
    ours = by_rows(x, conv.weight, conv.bias, (padding, padding))
    torch.testing.assert_close(ours, conv(x))
    torch.testing.assert_close(
        by_rows(x, conv.weight, None, (padding, padding)), F.conv2d(x, conv.weight, padding=padding)
    )


CONVOLUTIONS = {
    "3 x 3": {"kernel_size": 3, "padding": 1},
    "strided": {"kernel_size": 3, "padding": 1, "stride": 2},
    "1 x 1": {"kernel_size": 1},
    "7 x 7": {"kernel_size": 7, "padding": 3, "bias": False},
    "dilated": {"kernel_size": 3, "padding": 2, "dilation": 2},
    "grouped": {"kernel_size": 3, "padding": 1, "groups": 4},
    "same": {"kernel_size": 3, "padding": "same"},
    "reflected": {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
}


@pytest.mark.parametrize("channels", [4, 24])
@pytest.mark.parametrize("size", [(6, 6), (21, 14)])
@pytest.mark.parametrize("name", CONVOLUTIONS)
@torch.no_grad()
def test_any_convolution(name: str, size: tuple[int, int], channels: int) -> None:
    conv = nn.Conv2d(8, channels, **CONVOLUTIONS[name])  # type: ignore[arg-type]
    fast, x = FastConv2d(conv), torch.randn(3, 8, *size)
    for batch in (x, x[:1], x.contiguous(memory_format=torch.channels_last), x[:, :, ::2]):
        exact = nn.Conv2d.forward(conv.double(), batch.double()).float()
        conv.float()
        torch.testing.assert_close(fast(batch), exact, rtol=1e-4, atol=1e-4)
    conv.weight.mul_(2)
    torch.testing.assert_close(fast(x), conv(x), rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        half = fast(x)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), conv(x), rtol=0.02, atol=0.1)


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("kind", [SameBlock, DownBlock, UpBlock])
@torch.no_grad()
def test_blocks(kind: type[SameBlock], norm: str) -> None:
    block = kind(6, 10, norm=norm).eval()  # type: ignore[arg-type]
    for parameter in block.norm.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 6, 12, 10)
    fast = _prepare(block)
    assert type(fast) is not kind
    torch.testing.assert_close(fast(x), block(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", ["instance", "batch"])
@torch.no_grad()
def test_residual_blocks_and_hourglasses(norm: str) -> None:
    residual = ResidualBlock(6, norm=norm).eval()  # type: ignore[arg-type]
    hourglass = Hourglass(6, 4, 16, 2, norm=norm).eval()  # type: ignore[arg-type]
    x = torch.randn(2, 6, 12, 8)
    before = x.clone()
    torch.testing.assert_close(_prepare(residual)(x), residual(x), rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(_prepare(hourglass)(x), hourglass(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [2, 31, 32])
def test_instance_normalisation_keeps_values_and_order(side: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 5, side, side, generator=generator).to(dtype)
    norm = nn.InstanceNorm2d(5).eval()
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for last in (False, True):
        x = maps.contiguous(memory_format=torch.channels_last) if last else maps
        found = normalise(x, norm)
        assert found.is_contiguous(memory_format=torch.channels_last) == last
        expected = norm(maps.double())
        torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_nan_is_passed_on() -> None:
    block = _prepare(SameBlock(3, 4).eval())
    x = torch.rand(1, 3, 8, 8)
    x[0, 0, 0, 0] = torch.nan
    with torch.no_grad():
        assert block(x).isnan().any()


@torch.no_grad()
def test_a_parametrised_convolution_runs_as_it_is() -> None:
    block = UpBlock(3, 4).eval()
    nn.utils.parametrizations.weight_norm(block.conv)
    x = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(_prepare(block)(x), block(x))


def test_a_subclass_is_not_replaced() -> None:
    class Block(SameBlock):
        pass

    assert type(_prepare(Block(3, 4))) is Block
    assert SameBlock in _FAST


def test_lanes_keep_the_order_and_the_state_of_the_caller() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            states = in_lanes(
                lambda part: (
                    (part.start, part.stop),
                    torch.is_grad_enabled(),
                    torch.is_autocast_enabled("cpu"),
                    torch.get_num_threads(),
                    threading.current_thread() is threading.main_thread(),
                ),
                7,
                CPU,
            )
        assert states == [
            ((0, 2), False, True, 1, False),
            ((2, 4), False, True, 1, False),
            ((4, 7), False, True, 1, False),
        ]
        assert torch.get_num_threads() == 3
        nested = in_lanes(lambda part: in_lanes(lambda inner: inner.stop, 2, CPU), 3, CPU)
        assert nested == [[2], [2], [2]]
        with pytest.raises(ZeroDivisionError):
            in_lanes(lambda part: 1 // part.start, 3, CPU)
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_lanes_work_in_a_forked_process() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert in_lanes(lambda part: part.stop, 2, CPU) == [1, 2]
        child = os.fork()
        if child == 0:
            os._exit(0 if in_lanes(lambda part: part.stop, 2, CPU) == [1, 2] else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        torch.set_num_threads(before)
