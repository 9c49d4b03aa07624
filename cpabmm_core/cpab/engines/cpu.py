"""Exact integration on the CPU by compiled kernels, with as many threads as PyTorch uses."""

import threading
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
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
from cpabmm_core.cpab.space import VelocitySpace

_REMAINDER = {torch.float32: 1e-7, torch.float64: 1e-16}
_CROSSING = {torch.float32: 1e-4, torch.float64: 1e-6}  # tolerance; the error is its cube
_SLACK = {torch.float32: 1e-10, torch.float64: 8 * float(np.finfo(np.float64).eps)}
"""Distance behind an edge where a path leaves its cell, in sides of the square. It exceeds the
error of the crossing, so that the path goes on in the next cell."""
_POINTS_PER_THREAD = 1 << 11
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


def product(first: Tensor, second: Tensor) -> Tensor:
    """Return the matrix product of float64 tensors.

    This avoids PyTorch's product: its threads busy-wait afterwards on the cores that the kernels
    need next.
    """
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
    tess, orders = space.tessellation, _orders(points.dtype)
    maps = _flat(affine)
    table = np.empty(len(maps) // 6 * paths.COLUMNS)
    kernels.prepare(maps, table)
    flat = _flat(points)
    end = np.empty_like(flat)
    ranges = _ranges(len(flat) // 2)
    tapes: list[kernels.Tape | None] = [None] * len(ranges)

    def carry(part: int) -> None:
        start, stop = ranges[part]
        complete, blocks = False, -(-(stop - start) // LANES)
        length = (_STEPS_PER_BLOCK * blocks + 1) * kernels.RECORD if record else 0
        while not complete:
            tape = np.empty(blocks + 1, dtype=np.int64), np.empty(length)
            complete = kernels.carry(
                tess.nx,
                tess.ny,
                table,
                orders,
                _CROSSING[points.dtype],
                _SLACK[points.dtype] * max(tess.nx, tess.ny),
                flat,
                points.shape[1],
                start,
                stop,
                end,
                record,
                *tape,
            )
            length *= 4
        tapes[part] = tape

    _in_threads(carry, len(ranges))
    chunks = [Chunk(*span, tape) for span, tape in zip(ranges, tapes, strict=True) if tape]
    return _tensor(end, points), Record(table, orders, chunks)


def backward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    record: Record,
    gradient: Tensor,  # (B, P, 2) at the end points
) -> tuple[Tensor, Tensor]:  # (B, cells, 2, 3), (B, P, 2)
    """Implement `plain.backward`."""
    table, orders, chunks = record
    flat = _flat(gradient)
    by_point = np.empty_like(flat)
    by_map = np.zeros((len(chunks), affine.numel()))

    def pull_back(part: int) -> None:
        start, stop, tape = chunks[part]
        kernels.pull_back(table, orders, *tape, start, stop, flat, by_map[part], by_point)

    _in_threads(pull_back, len(chunks))
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

    _in_threads(differentiate, len(chunks))
    shape = (*points.shape, len(directions))
    return end, torch.from_numpy(derivatives).to(points.dtype).view(shape)


def _flat(tensor: Tensor) -> Array:
    """Return float64 numbers, converted by NumPy because PyTorch's threads would busy-wait."""
    return np.ascontiguousarray(tensor.detach().numpy().reshape(-1), dtype=np.float64)


def _tensor(array: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(array.astype(like.numpy().dtype, copy=False)).view(like.shape)


def _ranges(count: int) -> list[tuple[int, int]]:
    """Return equal ranges of points, one per thread, each large enough to justify its thread."""
    parts = max(1, min(torch.get_num_threads(), count // _POINTS_PER_THREAD))
    bounds = [count * part // parts for part in range(parts + 1)]
    return list(pairwise(bounds))


def _in_threads(work: Callable[[int], None], parts: int) -> None:
    """Call `work` with 0 .. parts - 1 in separate threads, the last in the current one."""
    threads = [threading.Thread(target=work, args=(part,)) for part in range(parts - 1)]
    for thread in threads:
        thread.start()
    work(parts - 1)
    for thread in threads:
        thread.join()


@lru_cache
def _orders(dtype: torch.dtype) -> NDArray[np.int64]:
    sizes = paths.LONGEST * np.arange(1, paths.SIZES + 1) / paths.SIZES
    return np.array([exponential.order(size, _REMAINDER[dtype]) for size in sizes])
