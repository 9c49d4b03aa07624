"""Smoothness prior of velocity fields: how a fitted motion extends beyond its points."""

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace

RIDGE = 1e-5


def smoothness_precision(space: VelocitySpace) -> Tensor:
    """(dim, dim) float64: theta^T P theta is the roughness of a field.

    P is the squared graph Laplacian of the triangle mesh, applied to the velocities at the
    vertices, plus a small ridge that makes it invertible (a constant field has no roughness).
    """
    tess = space.tessellation
    first, second = tess.edges.T
    laplacian = np.zeros((len(tess.vertices),) * 2)
    laplacian[first, second] = laplacian[second, first] = -1.0
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    precision = torch.from_numpy(laplacian @ laplacian + RIDGE * np.eye(len(laplacian)))
    basis = space.vertex_basis
    return torch.einsum("avi,vw,bwi->ab", basis, precision, basis)
