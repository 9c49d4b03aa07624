"""Filters of a convolution, transformed and packed for its kernels."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cpabmm_core.convolution import upsampled_kernels, winograd_kernels
from cpabmm_core.convolution.product_kernel import VECTORS
from cpabmm_core.convolution.simd import LANES


class Filters(NamedTuple):
    """The parameters of a convolution as its kernels read them."""

    weight: Tensor  # flat: position, panel of output channels, input channel, channel of the panel
    bias: Tensor  # padded to whole vectors
    sources: tuple[Tensor, ...]
    """The parameters, kept so that no other tensor takes their place in memory."""
    identity: tuple[tuple[int, int], ...]
    """Address and version of each parameter."""


def identity(conv: nn.Conv2d) -> tuple[tuple[int, int], ...]:
    """Return what changes when a parameter is changed in place or replaced."""
    return tuple(
        (tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version)
        for tensor in _parameters(conv)
    )


def pack(conv: nn.Conv2d, *, upsampled: bool) -> Filters:
    """Transform the filters of a 3 x 3 convolution in float64 and pack them."""
    known = identity(conv)
    sources = tuple(tensor.detach() for tensor in _parameters(conv))
    kernels = upsampled_kernels if upsampled else winograd_kernels
    axis = torch.from_numpy(kernels.filter_matrix())
    weight = torch.einsum("ai,bj,dcij->abcd", axis, axis, sources[0].double()).flatten(0, 1)
    bias = sources[1] if len(sources) > 1 else torch.zeros(conv.out_channels)
    padded = torch.zeros(whole(conv.out_channels))
    padded[: conv.out_channels] = bias
    return Filters(_panels(weight.float()), padded, sources, known)


def _parameters(conv: nn.Conv2d) -> list[Tensor]:
    return [conv.weight] if conv.bias is None else [conv.weight, conv.bias]


def whole(channels: int) -> int:
    """Return a number of channels, rounded up to whole vectors."""
    return -(-channels // LANES) * LANES


def _panels(
    matrices: Tensor,  # (positions, C, D)
) -> Tensor:  # flat
    """Cut the columns of each matrix into panels of the width of a register block."""
    positions, rows, columns = matrices.shape
    full = matrices.new_zeros(positions, whole(rows), whole(columns))
    full[:, :rows, :columns] = matrices
    width = LANES * VECTORS
    wide = full.shape[2] // width * width
    panels = full[:, :, :wide].unflatten(2, (-1, width)).transpose(1, 2)
    return torch.cat((panels.flatten(1), full[:, :, wide:].flatten(1)), dim=1).flatten()
