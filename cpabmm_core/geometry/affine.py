"""Affine maps as homogeneous matrices."""

from torch import Tensor


def apply_affine(
    matrix: Tensor,  # (B, 3, 3), last row 0 0 1
    points: Tensor,  # (B, ..., 2)
) -> Tensor:  # (B, ..., 2)
    """Map the points of each batch element by its matrix.

    Convention: points are (x, y) columns, ``p -> matrix @ [x, y, 1]``, in whatever frame the matrix
    was made for. Differentiable in both arguments.
    """
    # Sums of products, not a matrix product, which mixed precision would round.
    columns = matrix[:, :2].view(-1, *(1,) * (points.dim() - 2), 2, 3)
    return columns[..., 0] * points[..., :1] + columns[..., 1] * points[..., 1:] + columns[..., 2]
