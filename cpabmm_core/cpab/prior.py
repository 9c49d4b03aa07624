"""Smoothness prior of velocity fields: how fitted motion extends between and beyond the points.

A priori each component of the velocity is a Gaussian process on the square: a common translation
with a large variance, plus a part that varies in space with a Matern 3/2 covariance (Rasmussen and
Williams, "Gaussian Processes for Machine Learning", Eq. 4.17),

    k(x, y) = TRANSLATION + (1 + s) exp(-s),  s = sqrt(3) |x - y| / length_scale.

Bodies move in parts: the difference of real motion between two places grows roughly in proportion
to their distance up to a tenth of the square, and hardly grows beyond a quarter. Samples of this
covariance behave the same way. Priors that favour more than translations (thin plates, rotations,
affine fields) extend real motion worse, and affine fields were no better for keypoints that are
trained through the fits (docs/results/ablation.md). The covariance depends on positions, not on
neighbours in the mesh, so it means the same on every tessellation. Run
tests/benchmarks/bench_cpab_prior.py for a comparison of priors.
"""

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.cpab.space import VelocitySpace

LENGTH_SCALE = 0.2
"""Default of the length scale in sides of the square; 0.15 to 0.3 extend real motion equally
well."""

TRANSLATION = 100.0
"""Variance of the translation relative to the varying part; 1 to 1000 work equally well."""


def smoothness_precision(space: VelocitySpace, length_scale: float = LENGTH_SCALE) -> Tensor:
    """Return the precision matrix P of the prior; theta^T P theta is the roughness of a field.

    P is the inverse of the prior's covariance at the vertices, summed over x and y and conditioned
    on the constraints of the space. A common translation by 1 costs less than 1 / TRANSLATION.

    Args:
        space: admissible fields.
        length_scale: distance, in sides of the square, over which the varying part of the motion
            changes.

    Returns:
        (dim, dim) float64, positive definite.

    Example:
        >>> from cpabmm_core.cpab import Tessellation
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> smoothness_precision(space).shape == (space.dim, space.dim)
        True
    """
    vertices = space.tessellation.vertices
    distance = np.linalg.norm(vertices[:, None] - vertices, axis=-1)
    scaled = np.sqrt(3) / length_scale * distance
    covariance = torch.from_numpy(TRANSLATION + (1 + scaled) * np.exp(-scaled))
    root = torch.linalg.cholesky(covariance)
    fields = space.vertex_basis.permute(1, 2, 0)  # (V, 2, dim)
    whitened = torch.linalg.solve_triangular(root, fields.flatten(1), upper=False)
    whitened = whitened.reshape(2 * len(vertices), space.dim)
    precision: Tensor = whitened.T @ whitened
    return precision
