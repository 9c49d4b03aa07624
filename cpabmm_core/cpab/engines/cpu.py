"""Exact integration on the CPU by compiled kernels, with as many threads as PyTorch uses."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab import exponential
from cpabmm_core.cpab.engines import cpu_kernels as kernels
from cpabmm_core.cpab.engines import paths
from cpabmm_core.cpab.engines.lanes import LANES
from cpabmm_core.cpab.engines.sensitivities import RECORD
from cpabmm_core.cpab.engines.threads import in_threads, ranges
from cpabmm_core.cpab.space import VelocitySpace

_REMAINDER = {torch.float32: 1e-7, torch.float64: 1e-16}
_CROSSING = {torch.float32: 1e-4, torch.float64: 1e-6}
_SLACK = {torch.float32: 1e-10, torch.float64: 8 * float(np.finfo(np.float64).eps)}
_POINTS_PER_THREAD = 1 << 11
_LARGE_PRODUCT = 1 << 23  # multiplications
_STEPS_PER_BLOCK = 6  # initial length of the tape


class Chunk(NamedTuple):
    """A range of points and the steps along their paths."""

    start: int
    stop: int
    tape: kernels.Tape


class Record(NamedTuple):
    """The data of a forward pass that the gradients need."""

    table: Array
    orders: NDArray[np.int64]
    chunks: list[Chunk]


class Precision(NamedTuple):
    """Parameters of the integration."""

    orders: NDArray[np.int64]
    """Degree of the series for each interval of h rho."""
    tolerance: float
    """Tolerance for the times of crossings, relative to a step; their error is its cube."""
    slack: float
    """Distance behind an edge where a path leaves its cell, in sides of a square. It exceeds the
    error of the crossing, so that the path goes on in the next cell."""


def precision(dtype: torch.dtype, space: VelocitySpace) -> Precision:
    """Return the parameters that keep the error of points of this dtype at their rounding."""
    most = max(space.tessellation.nx, space.tessellation.ny)
    return Precision(_orders(dtype), _CROSSING[dtype], _SLACK[dtype] * most)


def product(first: Tensor, second: Tensor) -> Tensor:
    """Return the matrix product of float64 tensors.

    Small products avoid PyTorch's: its threads busy-wait afterwards on the cores that the kernels
    need next. Large ones, of meshes with many squares, take several times as long without it.
    """
    if first.shape[0] * second.numel() > _LARGE_PRODUCT:
        return first @ second
    result = np.zeros((first.shape[0], second.shape[1]))
    kernels.multiply(first.numpy(), np.ascontiguousarray(second.numpy()), result)
    return torch.from_numpy(result)


def forward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    *,
    record: bool,
) -> tuple[Tensor, Record]:
    """Implement `plain.forward`."""
    tess, accuracy = space.tessellation, precision(points.dtype, space)
    maps = flat(affine)
    table = np.empty(len(maps) // 6 * paths.COLUMNS)
    kernels.prepare(maps, table)
    starts = flat(points)
    end = np.empty_like(starts)
    count = len(starts) // 2
    parts = ranges(count, count // _POINTS_PER_THREAD)
    tapes: list[kernels.Tape | None] = [None] * len(parts)

    def carry(part: int) -> None:
        start, stop = parts[part]
        complete, blocks = False, -(-(stop - start) // LANES)
        length = (_STEPS_PER_BLOCK * blocks + 1) * RECORD if record else 0
        while not complete:
            tape = np.empty(blocks + 1, dtype=np.int64), np.empty(length)
            complete = kernels.carry(
                tess.nx,
                tess.ny,
                table,
                *accuracy,
                starts,
                points.shape[1],
                start,
                stop,
                end,
                record,
                *tape,
            )
            length *= 4
        tapes[part] = tape

    in_threads(carry, len(parts))
    chunks = [Chunk(*span, tape) for span, tape in zip(parts, tapes, strict=True) if tape]
    return _tensor(end, points), Record(table, accuracy.orders, chunks)


def backward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    record: Record,
    gradient: Tensor,  # (B, P, 2) at the end points
) -> tuple[Tensor, Tensor]:  # (B, cells, 2, 3), (B, P, 2)
    """Implement `plain.backward`."""
    table, orders, chunks = record
    upstream = flat(gradient)
    by_point = np.empty_like(upstream)
    by_map = np.zeros((len(chunks), affine.numel()))

    def pull_back(part: int) -> None:
        start, stop, tape = chunks[part]
        kernels.pull_back(table, orders, *tape, start, stop, upstream, by_map[part], by_point)

    in_threads(pull_back, len(chunks))
    return _tensor(by_map.sum(axis=0), affine), _tensor(by_point, gradient)


def jacobian(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    directions: Tensor,  # (D, cells, 2, 3)
) -> tuple[Tensor, Tensor]:  # (B, P, 2), (B, P, 2, D)
    """Implement `plain.jacobian`."""
    end, (table, orders, chunks) = forward(space, affine, points, record=True)
    by_cell = directions.double().permute(1, 2, 3, 0).flatten(1, 2).contiguous().numpy()
    derivatives = np.zeros((points.numel(), len(directions)))

    def differentiate(part: int) -> None:
        start, stop, tape = chunks[part]
        kernels.differentiate(table, orders, *tape, start, stop, by_cell, derivatives)

    in_threads(differentiate, len(chunks))
    shape = (*points.shape, len(directions))
    return end, torch.from_numpy(derivatives).to(points.dtype).view(shape)


def flat(tensor: Tensor) -> Array:
    """Return float64 numbers, converted by NumPy because PyTorch's threads would busy-wait."""
    return np.ascontiguousarray(tensor.detach().numpy().reshape(-1), dtype=np.float64)


def _tensor(array: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(array.astype(like.numpy().dtype, copy=False)).view(like.shape)


@lru_cache
def _orders(dtype: torch.dtype) -> NDArray[np.int64]:
    sizes = paths.LONGEST * np.arange(1, paths.SIZES + 1) / paths.SIZES
    return np.array([exponential.order(size, _REMAINDER[dtype]) for size in sizes])
