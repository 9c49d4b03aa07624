"""The vector space of admissible velocity fields and its orthonormal basis."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.tessellation import Tessellation
from cpabmm_core.errors import ConfigError

Boundary = Literal["free", "zero"]

_RANK_TOLERANCE = 1e-7
_BLOCK = 64


class VelocitySpace:
    """Continuous piecewise-affine velocity fields on a tessellation of the unit square.

    A field is v(x, y) = A_c [x, y, 1]^T in cell c. Its velocities at the vertices determine it, so
    continuity holds by construction. The boundary and volume constraints are linear in those
    velocities. `theta` are the coordinates of a field in an orthonormal basis (of the stacked A_c,
    with the Euclidean norm). The basis depends only on the arguments: it consists of the
    projections of the unit vertex velocities onto the space, orthonormalised in order.

    Args:
        tessellation: the triangles.
        boundary: ``free``: the field continues outside the square, where each border triangle's
            affine map extends outwards and the field stays continuous; ``zero``: the velocity
            across the border is 0.
        volume_preserving: make the fields divergence-free, trace(A_c) = 0.

    Raises:
        ConfigError: the boundary is unknown.

    Source: Freifeld et al., "Transformations Based on Continuous Piecewise-Affine Velocity Fields",
    PAMI 2017, section 4.

    Example:
        >>> VelocitySpace(Tessellation(4, 4)).dim
        58
        >>> VelocitySpace(Tessellation(4, 4), boundary="zero", volume_preserving=True).dim
        15
    """

    def __init__(
        self,
        tessellation: Tessellation,
        boundary: Boundary = "free",
        volume_preserving: bool = False,
    ) -> None:
        if boundary not in ("free", "zero"):
            raise ConfigError(f"boundary: expected free or zero, got {boundary!r}")
        self.tessellation = tessellation
        self.boundary: Boundary = boundary
        self.volume_preserving = volume_preserving
        self._copies: dict[tuple[str, torch.device, torch.dtype], Tensor] = {}

    @property
    def dim(self) -> int:
        """Number of coordinates of a field."""
        return int(self._basis.shape[0])

    @property
    def basis(self) -> Tensor:
        """The orthonormal basis fields, (dim, cells, 2, 3) float64."""
        return torch.from_numpy(self._basis)

    @property
    def vertex_basis(self) -> Tensor:
        """The velocities of the basis fields at the vertices, (dim, V, 2) float64."""
        return torch.from_numpy(self._vertex_basis)

    def affine(
        self,
        theta: Tensor,  # (B, dim)
    ) -> Tensor:  # (B, cells, 2, 3)
        """Return the affine velocity map A_c of each cell.

        Args:
            theta: coordinates of the fields.

        Returns:
            The maps, in the dtype and on the device of theta.
        """
        basis = self.tensor("flat_basis", theta)
        return (theta @ basis).reshape(len(theta), self.tessellation.cells, 2, 3)

    def coordinates(
        self,
        affine: Tensor,  # (B, cells, 2, 3)
    ) -> Tensor:  # (B, dim)
        """Return theta of the field of the space that is nearest to the given maps.

        Args:
            affine: one affine map per cell; it need not be continuous.

        Returns:
            Coordinates of the orthogonal projection onto the space.
        """
        basis = self.tensor("flat_basis", affine)
        return affine.flatten(1) @ basis.T

    def tensor(self, name: str, like: Tensor) -> Tensor:
        """Return a constant of the space on the device and in the dtype of `like`; it is cached.

        Names: ``basis``, ``flat_basis`` (dim, 6 cells), ``vertex_basis``, ``half_planes`` (of the
        tessellation).
        """
        constants: dict[str, Callable[[], Tensor]] = {
            "basis": lambda: self.basis,
            "flat_basis": lambda: self.basis.flatten(1),
            "vertex_basis": lambda: self.vertex_basis,
            "half_planes": lambda: torch.from_numpy(self.tessellation.half_planes),
        }
        return self.constant(name, like, constants[name])

    def constant(self, name: str, like: Tensor, make: Callable[[], Tensor]) -> Tensor:
        """Return the result of `make` on the device and in the dtype of `like`; it is cached."""
        key = (name, like.device, like.dtype)
        if key not in self._copies:
            # Autograd cannot use a tensor that was created in inference mode.
            with torch.inference_mode(mode=False):
                self._copies[key] = make().to(like.dtype).to(like.device)
        return self._copies[key]

    @cached_property
    def _basis(self) -> Array:
        return _basis(self.tessellation, self.boundary, self.volume_preserving)

    @cached_property
    def _vertex_basis(self) -> Array:
        tess = self.tessellation
        velocities = np.empty((self.dim, len(tess.vertices), 2))
        for cell, triangle in enumerate(tess.triangles):
            corners = np.column_stack([tess.vertices[triangle], np.ones(3)])
            velocities[:, triangle] = np.einsum("dij,vj->dvi", self._basis[:, cell], corners)
        return velocities


@lru_cache(maxsize=32)
def _basis(tessellation: Tessellation, boundary: Boundary, volume_preserving: bool) -> Array:
    weights = _barycentric_weights(tessellation)
    fields = _vertex_fields(tessellation, weights)
    constraints = [_boundary_constraints(tessellation, boundary, fields)]
    if volume_preserving:
        constraints.append((fields[:, :, 0, 0] + fields[:, :, 1, 1]).T)
    null = _null_projector(np.concatenate(constraints), len(fields))
    negligible = _RANK_TOLERANCE * float(np.abs(fields).max())
    # The rows of this factor have the same inner products as the fields, but only 2 V numbers each
    # instead of 6 per cell.
    factor = np.linalg.cholesky(_inner_products(tessellation, weights))
    rows = _orthonormalise(null @ factor, negligible)
    size = len(rows), len(tessellation.vertices), 2
    velocities = np.linalg.solve(factor.T, rows.T).T.reshape(size)
    basis: Array = np.einsum(
        "dcvj,cvi->dcji", velocities[:, tessellation.triangles], weights, optimize=True
    )
    return basis


def _barycentric_weights(tess: Tessellation) -> Array:
    """Return (cells, 3 vertices, 3): the weight of each vertex at a point, times [x, y, 1]."""
    corners = tess.vertices[tess.triangles]
    corners = np.concatenate([corners, np.ones((tess.cells, 3, 1))], axis=2)
    return np.linalg.inv(corners).transpose(0, 2, 1).astype(np.float64)


def _vertex_fields(tess: Tessellation, weights: Array) -> Array:
    """Return (2 V, cells, 2, 3) fields of unit velocity along x or y at one vertex, 0 elsewhere."""
    fields = np.zeros((len(tess.vertices), 2, tess.cells, 2, 3))
    cells = np.arange(tess.cells)[:, None]
    for component in range(2):
        fields[tess.triangles, component, cells, component] = weights
    return fields.reshape(-1, tess.cells, 2, 3)


def _inner_products(tess: Tessellation, weights: Array) -> Array:
    """Return (2 V, 2 V) inner products of the vertex fields, as sums over the cells they share."""
    products = np.zeros((len(tess.vertices), len(tess.vertices)))
    pairs = tess.triangles[:, :, None], tess.triangles[:, None, :]
    np.add.at(products, pairs, weights @ weights.transpose(0, 2, 1))
    return np.kron(products, np.eye(2)).astype(np.float64)


def _boundary_constraints(tess: Tessellation, boundary: Boundary, fields: Array) -> Array:
    """Return (constraints, 2 V): the product of each row and the vertex velocities must be 0."""
    unit = np.eye(len(fields))
    rows = [np.empty((0, len(fields)))]
    for axis in range(2):
        other = 1 - axis
        for wall in (0.0, 1.0):
            on_wall = np.flatnonzero(tess.vertices[:, axis] == wall)
            if boundary == "zero":
                rows.append(unit[2 * on_wall + axis])
                continue
            for vertex in on_wall:
                if 0.0 < tess.vertices[vertex, other] < 1.0:
                    before, after = _border_triangles(tess, int(vertex), axis, wall)
                    rows.append((fields[:, before, :, axis] - fields[:, after, :, axis]).T)
    return np.concatenate(rows)


def _border_triangles(tess: Tessellation, vertex: int, axis: int, wall: float) -> tuple[int, int]:
    """Return the two triangles that meet at the vertex and have a side on the wall."""
    has_vertex = (tess.triangles[:, 1:] == vertex).any(axis=1)
    on_wall = (tess.vertices[tess.triangles[:, 1:], axis] == wall).all(axis=1)
    before, after = np.flatnonzero(has_vertex & on_wall)
    return int(before), int(after)


def _null_projector(constraints: Array, size: int) -> Array:
    if not len(constraints):
        return np.eye(size)
    _, singular, rows = np.linalg.svd(constraints, full_matrices=False)
    span = rows[singular > _RANK_TOLERANCE * singular[0]]
    projector: Array = np.eye(size) - span.T @ span
    return projector


def _orthonormalise(vectors: Array, negligible: float) -> Array:
    """Orthonormalise by Gram-Schmidt in the given order, and omit linearly dependent vectors.

    Unlike that of a singular value decomposition, the result is unique in sign and rotation: it is
    the same on every machine up to rounding. Vectors are processed in blocks for speed.
    """
    basis, count = np.empty_like(vectors), 0
    for start in range(0, len(vectors), _BLOCK):
        earlier = basis[:count]
        block = _gram_schmidt(_without(vectors[start : start + _BLOCK], earlier), negligible)
        # Cancellation within the block has amplified rounding errors along the earlier vectors.
        block = _gram_schmidt(_without(block, earlier), 0.0)
        basis[count : count + len(block)] = block
        count += len(block)
    return basis[:count]


def _gram_schmidt(vectors: Array, negligible: float) -> Array:
    basis, count = np.empty_like(vectors), 0
    for vector in vectors:
        rest = _without(vector, basis[:count])
        norm = np.linalg.norm(rest)
        if norm > negligible:
            basis[count] = rest / norm
            count += 1
    return basis[:count]


def _without(vectors: Array, basis: Array) -> Array:
    """Remove the parts within the span of the basis, twice for accuracy."""
    rest = vectors - (vectors @ basis.T) @ basis
    return rest - (rest @ basis.T) @ basis
