"""The axes along which the paper's Adam descends.

Adam scales every coordinate on its own, so where it stops depends on the basis of the space. The
paper's code takes libcpab's: an orthonormal basis of the null space of the constraints, by SVD.
All its singular values are 0, so which of the many bases comes out is a matter of rounding: it
changes with the processor's kernels and the number of threads, and the local flows with it by 30%
of the motion (docs/cpab.md). The basis of `VelocitySpace`, whose fields begin with single vertices,
is like none of libcpab's: in it Adam ends closer to the pairs, with motion that extends worse.

For the paper's two spaces we keep what libcpab 0.1.3 (MIT) gets on a processor with AVX-512
(SciPy 1.17 with OpenBLAS, two threads or more). Any other space gets a rotation drawn by a fixed
seed, which is as good as what rounding would make of it. So theta is the same on every machine.
"""

from importlib import resources

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace

_FILE = "libcpab_axes.npz"
"""By cells, as "4x4": libcpab's basis fields in the coordinates of ours, a column each, float32."""


def descent_axes(space: VelocitySpace) -> Tensor:
    """(dim, dim) float64, orthogonal: theta = axes @ coordinates."""
    return torch.from_numpy(_axes_of_libcpab(space) if _is_stored(space) else _drawn(space.dim))


def descent_fields(space: VelocitySpace) -> Tensor:
    """(dim, cells, 2, 3): the field of each axis, in memory side by side cell for cell."""
    fields = space.basis.flatten(1).T @ descent_axes(space)
    return fields.contiguous().T.view(space.basis.shape)


def _is_stored(space: VelocitySpace) -> bool:
    cells = (space.tessellation.nx, space.tessellation.ny)
    return cells in ((4, 4), (6, 6)) and space.boundary == "free" and not space.volume_preserving


def _axes_of_libcpab(space: VelocitySpace) -> np.ndarray:
    name = f"{space.tessellation.nx}x{space.tessellation.ny}"
    file = resources.files("cpabmm_core") / "cpab" / _FILE
    with file.open("rb") as stream, np.load(stream) as arrays:
        axes: np.ndarray = arrays[name].astype(np.float64)
    return axes


def _drawn(dim: int) -> np.ndarray:
    # RandomState's stream never changes, by NumPy's own rule.
    draws = np.random.RandomState(0).standard_normal((dim, dim))
    rotation: np.ndarray = np.linalg.qr(draws)[0]
    return rotation
