"""Affine maps as homogeneous matrices."""

from torch import Tensor


def apply_affine(
    matrix: Tensor,  # (B, 3, 3), last row 0 0 1
    points: Tensor,  # (B, ..., 2)
) -> Tensor:  # (B, ..., 2)
    """Map the points of each batch element by its matrix.

    Convention:
        Points are (x, y) columns, ``p -> matrix @ [x, y, 1]``, in the coordinates that the matrix
        was made for. Differentiable in both arguments.

    Args:
        matrix: one homogeneous matrix per batch element.
        points: the points to map.

    Returns:
        The mapped points, in the same coordinates.

    Example:
        >>> import torch
        >>> shift = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> apply_affine(shift, torch.tensor([[[0.0, 0.25]]])).tolist()
        [[[0.5, 0.25]]]
    """
    # Written out because mixed precision would round the operands of a matrix product.
    columns = matrix[:, :2].view(-1, *(1,) * (points.dim() - 2), 2, 3)
    return columns[..., 0] * points[..., :1] + columns[..., 1] * points[..., 1:] + columns[..., 2]
