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
from cpabmm_core.cpab.space import VelocitySpace

_REMAINDER = {torch.float32: 1e-7, torch.float64: 1e-16}
_CROSSING = {torch.float32: 1e-4, torch.float64: 1e-6}  # tolerance; the error is its cube
_POINTS_PER_THREAD = 1 << 11
_LARGE_PRODUCT = 1 << 23  # multiplications
_STEPS_PER_POINT = 4  # initial length of the tape


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
    orders, crossing = _orders(points.dtype), _CROSSING[points.dtype]
    table = kernels.prepare(_rows(affine, 6), orders)
    tess, flat = space.tessellation, _rows(points, 2)
    end = np.empty_like(flat)
    ranges = _ranges(len(flat))
    tapes: list[kernels.Tape | None] = [None] * len(ranges)

    def carry(part: int) -> None:
        start, stop = ranges[part]
        complete, length = False, _STEPS_PER_POINT * (stop - start) + 1 if record else 0
        while not complete:
            tape = _tape(stop - start, length)
            complete = kernels.carry(
                tess.nx,
                tess.ny,
                tess.half_planes,
                table,
                orders,
                crossing,
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
    flat = _rows(gradient, 2)
    by_point = np.empty_like(flat)
    by_map = np.zeros((len(chunks), len(table), 6))

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


def _tape(points: int, length: int) -> kernels.Tape:
    first, rows = np.empty(points + 1, dtype=np.int64), np.empty(length, dtype=np.int64)
    return first, rows, np.empty((length, 5))


def _rows(tensor: Tensor, width: int) -> Array:
    """Return float64 rows, converted by NumPy because PyTorch's threads would busy-wait."""
    return np.ascontiguousarray(tensor.detach().numpy().reshape(-1, width), dtype=np.float64)


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
    sizes = kernels.LONGEST * np.arange(1, kernels.SIZES + 1) / kernels.SIZES
    return np.array([exponential.order(size, _REMAINDER[dtype]) for size in sizes])
