"""The coordinate axes in which the paper's Adam descends.

Adam scales every coordinate separately, so its result depends on the basis of the space. The
paper's code uses libcpab's basis: an orthonormal basis of the null space of the constraints, from
an SVD. All singular values of that space are 0, so rounding selects one of infinitely many bases.
The selection varies with the processor's kernels and the number of threads, and changes the local
flows by 30% of the motion (docs/results/cpab.md). The basis of `VelocitySpace` is localised at the
vertices instead: with it Adam leaves smaller residuals and extends motion worse.

For the paper's two spaces we store the basis that libcpab 0.1.3 (MIT) computes on a processor with
AVX-512 (SciPy 1.17 with OpenBLAS, two threads or more). Any other space gets a random rotation from
a fixed seed, which is as good a choice as rounding would make. Theta then does not depend on the
machine.
"""

from importlib import resources

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace

_FILE = "libcpab_axes.npz"
"""Arrays "4x4" and "6x6", float32: libcpab's basis fields in our coordinates, one per column."""


def descent_axes(space: VelocitySpace) -> Tensor:
    """Return the orthogonal (dim, dim) float64 matrix with theta = axes @ coordinates."""
    axes = _axes_of_libcpab(space) if _is_stored(space) else _random_rotation(space.dim)
    return torch.from_numpy(axes)


def descent_fields(space: VelocitySpace) -> Tensor:
    """Return the field of each axis (dim, cells, 2, 3), with `dim` contiguous in memory."""
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


def _random_rotation(dim: int) -> np.ndarray:
    # NumPy guarantees that RandomState's stream never changes.
    normal = np.random.RandomState(0).standard_normal((dim, dim))
    rotation: np.ndarray = np.linalg.qr(normal)[0]
    return rotation
