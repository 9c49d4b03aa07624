"""Convolutions by oneDNN with weights that are cast and reordered once, not in every call."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cpabmm_core.models.fast.versions import Version, version_of
from cpabmm_core.models.narrow_convolution import NarrowConv2d

_DTYPES = (torch.float32, torch.bfloat16)


class _Packed(NamedTuple):
    """Weights in oneDNN's order, and what they were made from."""

    origin: list[Version]
    weight: Tensor
    bias: Tensor | None


class PackedConvolution:
    """A convolution on a CPU whose weights are kept in oneDNN's order.

    PyTorch reorders the weights in every call, which takes longer than the convolution where maps
    are small and channels many; with autocast it also casts them.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        """Wrap a module; later changes of its weights are seen."""
        self._conv = conv
        self._packed: dict[torch.dtype, _Packed] = {}

    def __call__(
        self,
        x: Tensor,  # (B, C, H, W)
    ) -> Tensor:  # (B, D, H', W')
        """Apply the convolution in the type of `x`."""
        conv, weight, bias = self._conv, self._conv.weight, self._conv.bias
        origin = [version_of(weight)] if bias is None else [version_of(weight), version_of(bias)]
        packed = self._packed.get(x.dtype)
        if packed is None or packed.origin != origin:
            packed = self._packed[x.dtype] = _Packed(origin, *self._pack(x))
        result: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            x,
            packed.weight,
            packed.bias,
            conv.padding,
            conv.stride,
            conv.dilation,
            conv.groups,
            "none",
            [],
            "",
        )
        return result

    def _pack(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        conv = self._conv
        reorder: Callable[..., Tensor] = torch._C._nn.mkldnn_reorder_conv2d_weight
        weight = reorder(
            conv.weight.detach().to(x.dtype).to_mkldnn(),
            conv.padding,
            conv.stride,
            conv.dilation,
            conv.groups,
            list(x.shape),
        )
        return weight, None if conv.bias is None else conv.bias.detach().to(x.dtype)


def can_be_packed(conv: nn.Conv2d) -> bool:
    """Return whether oneDNN computes such a convolution."""
    return (
        type(conv) in {nn.Conv2d, NarrowConv2d}
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )


def suits_packing(x: Tensor, conv: nn.Conv2d) -> bool:
    """Return whether `PackedConvolution` computes this input on this machine."""
    return (
        x.dtype in _DTYPES
        and _computes(x.dtype)
        and x.dim() == 4
        and x.numel() > 0
        and not conv.weight.is_inference()
        and conv.weight.device.type == x.device.type == "cpu"
    )


@lru_cache
def _computes(dtype: torch.dtype) -> bool:
    """Try the operators: they are not part of PyTorch's interface, and not every CPU has bfloat16.

    PyTorch's own compiler uses them.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    conv, x = nn.Conv2d(2, 3, 3, bias=False).to(dtype), torch.ones(1, 2, 4, 4, dtype=dtype)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        nn.init.ones_(conv.weight)
        try:
            return torch.equal(PackedConvolution(conv)(x), conv(x))
        except (AttributeError, RuntimeError, TypeError):
            return False
