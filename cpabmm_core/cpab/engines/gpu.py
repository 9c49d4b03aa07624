"""Exact integration on the GPU with one Triton kernel per pass.

No pass waits for the device or depends on data, so each can be captured in a CUDA graph. The
backward pass stores only the end points and follows the paths back from there. This amplifies
rounding errors by the factor by which the flow has shrunk distances, at worst exp(|A|). In float32,
for a flow that shrinks distances 150 times, the gradients are as accurate as those of `plain`; at
3000 times their error is three times as large.
"""

import subprocess
from typing import NamedTuple

import torch
import triton
from torch import Tensor

from cpabmm_core.cpab import exponential
from cpabmm_core.cpab.engines import gpu_kernels as kernels
from cpabmm_core.cpab.engines import plain
from cpabmm_core.cpab.engines.plain import product
from cpabmm_core.cpab.space import VelocitySpace

__all__ = ["backward", "forward", "jacobian", "product"]

_BLOCK = 32  # points per program: one warp
_LANES = 64  # directions per program, which is one warp too: one variant for all their numbers
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-5}  # of crossings; the error is its cube

if torch.cuda.is_available():
    try:
        triton.runtime.driver.active.get_current_target()  # builds the driver with a C compiler
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise ImportError(f"Triton does not run here: {error}") from error


class Precision(NamedTuple):
    """Compile-time constants of the kernels."""

    ORDER: int
    TOLERANCE: float
    SHORTEST: float
    EPSILON: float


PRECISION = {
    dtype: Precision(
        exponential.order(plain.LONGEST, precision.remainder),
        _TOLERANCE[dtype],
        precision.shortest,
        torch.finfo(dtype).eps,
    )
    for dtype, precision in plain.PRECISION.items()
}


def forward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    *,
    record: bool,
) -> tuple[Tensor, Tensor]:
    """Implement `plain.forward`; the record is a copy of the end points in the maps' dtype."""
    starts = points.to(affine.dtype).contiguous()
    end = torch.empty_like(starts)
    copy = torch.empty_like(starts) if record else end
    count = end[..., 0].numel()
    if count:
        with torch.cuda.device_of(points):
            kernels.carry[_blocks(count)](
                affine.contiguous(),
                starts,
                end,
                copy,
                count,
                *_sizes(space, points),
                **PRECISION[affine.dtype]._asdict(),
                BLOCK=_BLOCK,
                num_warps=1,
                enable_fp_fusion=True,
            )
    return end.to(points.dtype), copy


def backward(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    record: Tensor,  # (B, P, 2)
    gradient: Tensor,  # (B, P, 2) at the end points
) -> tuple[Tensor, Tensor]:  # (B, cells, 2, 3), (B, P, 2)
    """Implement `plain.backward`."""
    by_map = torch.zeros_like(affine, memory_format=torch.contiguous_format)
    by_point = torch.empty_like(record)
    count = record[..., 0].numel()
    if count:
        with torch.cuda.device_of(record):
            kernels.pull_back[_blocks(count)](
                affine.contiguous(),
                record,
                gradient.to(affine.dtype).contiguous(),
                by_map,
                by_point,
                count,
                *_sizes(space, record),
                **PRECISION[affine.dtype]._asdict(),
                BLOCK=_BLOCK,
                num_warps=1,
                enable_fp_fusion=True,
            )
    return by_map, by_point.to(gradient.dtype)


def jacobian(
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    directions: Tensor,  # (D, cells, 2, 3)
) -> tuple[Tensor, Tensor]:  # (B, P, 2), (B, P, 2, D)
    """Implement `plain.jacobian`."""
    number = len(directions)
    starts = points.to(affine.dtype).contiguous()
    by_lane = directions.to(affine.dtype).flatten(2).permute(1, 2, 0).contiguous()
    end = torch.empty_like(starts)
    derivatives = affine.new_empty(*points.shape, number)
    count = end[..., 0].numel()
    if count:
        with torch.cuda.device_of(points):
            kernels.differentiate[count, max(1, triton.cdiv(number, _LANES))](
                affine.contiguous(),
                starts,
                by_lane,
                end,
                derivatives,
                *_sizes(space, points),
                number,
                **PRECISION[affine.dtype]._asdict(),
                BLOCK=_LANES,
                num_warps=1,
                enable_fp_fusion=True,
            )
    return end.to(points.dtype), derivatives.to(points.dtype)


def _blocks(count: int) -> tuple[int]:
    return (triton.cdiv(count, _BLOCK),)


def _sizes(space: VelocitySpace, points: Tensor) -> tuple[int, int, int]:
    """Return the points per transformation, and the columns and rows of squares."""
    return points.shape[1], space.tessellation.nx, space.tessellation.ny
