"""Smoothness prior of velocity fields: how a fitted motion extends between and beyond its points.

Before any point is seen, each component of the velocity is taken for a Gaussian process on the
square: one translation, all but free, plus a part that varies from place to place with a Matern 3/2
covariance (Rasmussen and Williams, "Gaussian Processes for Machine Learning", Eq. 4.17),

    k(x, y) = TRANSLATION + (1 + s) exp(-s),  s = sqrt(3) |x - y| / LENGTH.

Why this one: bodies move in parts. The differences of real motion between two places grow about
in proportion to their distance up to a tenth of the square and hardly beyond a quarter, and so do
this covariance's. Priors that leave more than translations free (thin plate, free turns or affine
fields) extend real motion worse. The covariance is one of places, not of mesh neighbours, so that
it means the same on every tessellation. The table by prior: tests/benchmarks/bench_cpab_prior.py.
"""

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace

LENGTH = 0.2
"""Distance, in sides of the square, over which velocities stay alike; 0.15 to 0.3 do as well."""

TRANSLATION = 100.0
"""Variance of the common translation, in units of the varying part's: 1 to 1000 do as well."""


def smoothness_precision(space: VelocitySpace) -> Tensor:
    """(dim, dim) float64: theta^T P theta is the roughness of a field, P positive definite.

    P is the inverse of the prior's covariance at the vertices, summed over x and y and restricted
    to the space: what the boundary and the volume ask for holds for certain. A common translation
    by 1 costs less than 1 / TRANSLATION.

    Example:
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> smoothness_precision(space).shape == (space.dim, space.dim)
        True
    """
    vertices = space.tessellation.vertices
    distance = np.linalg.norm(vertices[:, None] - vertices, axis=-1)
    scaled = np.sqrt(3) / LENGTH * distance
    covariance = torch.from_numpy(TRANSLATION + (1 + scaled) * np.exp(-scaled))
    root = torch.linalg.cholesky(covariance)
    fields = space.vertex_basis.permute(1, 2, 0)  # (V, 2, dim)
    whitened = torch.linalg.solve_triangular(root, fields.flatten(1), upper=False)
    whitened = whitened.reshape(2 * len(vertices), space.dim)
    precision: Tensor = whitened.T @ whitened
    return precision
