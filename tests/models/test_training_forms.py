"""Layers that take a faster form while they train on a CPU: value and gradient, in float64."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.models.blocks import UpBlock
from cpabmm_core.models.instance_norm import InstanceNorm2d
from cpabmm_core.models.narrow_convolution import NarrowConv2d
from cpabmm_core.models.upsampled_convolution import upsampled_convolution

SIZES = [(1, 3, 5, 7), (7, 16, 1, 4), (2, 37, 6, 3)]
"""Batch, channels, height and width."""


def value_and_gradients(
    function: Callable[..., Tensor], *inputs: Tensor | None
) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    given = [None if each is None else each.detach().requires_grad_() for each in inputs]
    value = function(*given)
    upstream = torch.randn(value.shape, generator=generator, dtype=value.dtype)
    wanted = [each for each in given if each is not None]
    return value, *torch.autograd.grad(value, wanted, upstream)


def random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_upsampled_convolution(size: tuple[int, int, int, int], bias: bool) -> None:
    def plain(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(F.interpolate(x, scale_factor=2.0), weight, bias, padding=1)

    inputs = random(*size), random(5, size[1], 3, 3), random(5) if bias else None
    found = value_and_gradients(upsampled_convolution, *inputs)
    expected = value_and_gradients(plain, *inputs)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("fast", "plain"),
    [
        (NarrowConv2d(16, 1, 7), nn.Conv2d.forward),
        (NarrowConv2d(16, 3, 3), nn.Conv2d.forward),
        (InstanceNorm2d(16), nn.InstanceNorm2d.forward),
    ],
)
@pytest.mark.parametrize("size", [(1, 5, 7), (7, 1, 4), (3, 12, 2)])
def test_layers_equal_those_of_torch(
    size: tuple[int, int, int],
    fast: nn.Module,
    plain: Callable[..., Tensor],
    layout: torch.memory_format,
) -> None:
    fast = fast.double().train()
    names = [name for name, _ in fast.named_parameters()]
    values = [random(*parameter.shape) for parameter in fast.parameters()]
    batch, height, width = size
    x = random(batch, 16, height, width).contiguous(memory_format=layout)

    def call(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def called(x: Tensor, *parameters: Tensor) -> Tensor:
            holder = _Holder(fast, forward)
            named = {f"layer.{name}": value for name, value in zip(names, parameters, strict=True)}
            value: Tensor = torch.func.functional_call(holder, named, (x,))
            return value

        return called

    found = value_and_gradients(call(type(fast).forward), x, *values)
    expected = value_and_gradients(call(plain), x, *values)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


class _Holder(nn.Module):
    def __init__(self, layer: nn.Module, forward: Callable[..., Tensor]) -> None:
        super().__init__()
        self.layer, self._forward = layer, forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self.layer, x)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_up_block_computes_the_same_in_both_modes_of_its_convolution(norm: str) -> None:
    """With batch norm in eval mode throughout, only the form of the convolution differs."""
    block = UpBlock(6, 5, norm="batch" if norm == "batch" else "instance").double()
    x = random(2, 6, 5, 3)
    block.train()
    block.norm.eval()
    trained = block(x)
    torch.testing.assert_close(block.eval()(x), trained, rtol=1e-12, atol=1e-12)


def test_16_bits_round_as_rarely_as_torchs_own_layer() -> None:
    """Each layer's error is at most that of the plain form, a fifth more for chance."""
    x = random(2, 64, 16, 16, dtype=torch.float32)
    head, block = NarrowConv2d(64, 1, 7), UpBlock(64, 32)
    for layer in (head, block):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fast, plain = (layer.train(mode)(x).detach().float() for mode in (True, False))
        exact = layer.double().eval()(x.double()).detach()
        layer.float()
        scale = float(exact.abs().max())
        assert float((fast - exact).abs().mean()) < 1.2 * float((plain - exact).abs().mean())
        assert float((fast - exact).abs().max()) < 0.05 * scale
