"""The two small networks of the extractor ``puppets``: joint detector and identity network."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

JOINTS_SIDE = 96
"""Side of the joint detector's input, in pixels."""
IDENTITY_SIDE = 64
"""Side of the identity network's input, in pixels."""
EMBEDDING = 48
"""Dimension of the identity embedding."""


class Joints(NamedTuple):
    """The output of the joint detector.

    Example:
        >>> output = JointDetector(3)(torch.zeros(1, 3, 96, 96))
        >>> output.positions.shape, output.presence.shape
        (torch.Size([1, 3, 2]), torch.Size([1, 3]))
    """

    positions: Tensor  # (B, J, 2) pixels of the input
    presence: Tensor  # (B, J) logits of a joint inside the frame, occluded or not
    heatmaps: Tensor  # (B, J, h * w) log-probabilities


def _conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class _Residual(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_conv(width, inner), nn.ReLU(), *_conv(inner, width))

    def forward(
        self,
        features: Tensor,  # (B, C, h, w)
    ) -> Tensor:  # (B, C, h, w)
        return F.relu(features + self.body(features))


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_conv(inputs, outputs, stride=2), nn.ReLU())


class JointDetector(nn.Module):
    """An hourglass with one heatmap per joint, whose mean is the position of the joint.

    Args:
        joints: number of joints.

    Example:
        >>> JointDetector(3)(torch.zeros(1, 3, 96, 96)).heatmaps.shape
        torch.Size([1, 3, 576])
    """

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.joints = joints
        self.stem = nn.Sequential(_down(3, 32), _down(32, 64))
        self.fine = _Residual(64, 48)
        self.middle = nn.Sequential(_down(64, 96), _Residual(96, 64))
        self.coarse = nn.Sequential(_down(96, 128), _Residual(128, 48), _Residual(128, 48))
        self.to_middle = nn.Sequential(*_conv(128, 96, kernel=1))
        self.after_middle = _Residual(96, 48)
        self.to_fine = nn.Sequential(*_conv(96, 64, kernel=1))
        self.after_fine = _Residual(64, 48)
        self.head = nn.Conv2d(64, 2 * joints, 1)

    def forward(
        self,
        frames: Tensor,  # (B, 3, 96, 96) in [0, 1]
    ) -> Joints:
        """Return positions, presence and heatmaps of the joints."""
        fine = self.fine(self.stem(2 * frames - 1))
        middle = self.middle(fine)
        coarse = self.to_middle(self.coarse(middle))
        middle = self.after_middle(F.relu(middle + _enlarge(coarse)))
        fine = self.after_fine(F.relu(fine + _enlarge(self.to_fine(middle))))
        heat, presence = self.head(fine).float().flatten(2).chunk(2, dim=1)
        heatmaps = heat.log_softmax(-1)
        shares = heatmaps.exp()
        height, width = fine.shape[2:]
        return Joints(
            shares @ cell_centres(height, width, frames.shape[-1] / width).to(shares),
            (shares.detach() * presence).sum(-1),
            heatmaps,
        )


def cell_centres(height: int, width: int, cell: float) -> Tensor:  # (h * w, 2)
    """Return the centres (x, y) of the cells of a heatmap, in pixels of the input.

    Args:
        height: number of rows of the heatmap.
        width: number of columns of the heatmap.
        cell: side of a cell in pixels of the input.

    Returns:
        Centres, row by row; pixel centres lie at integers.

    Example:
        >>> cell_centres(1, 2, 4.0).tolist()
        [[1.5, 1.5], [5.5, 1.5]]
    """
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (torch.stack([x, y], dim=-1).flatten(0, 1) + 0.5) * cell - 0.5


def _enlarge(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear")


class IdentityNetwork(nn.Module):
    """A network that describes a character by a vector of unit length.

    Example:
        >>> IdentityNetwork()(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 48])
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _down(3, 32),
            _down(32, 48),
            _Residual(48, 32),
            _down(48, 64),
            _Residual(64, 48),
            _down(64, 96),
        )
        self.attention = nn.Conv2d(96, 4, 1)
        self.head = nn.Linear(4 * 96, EMBEDDING)

    def forward(
        self,
        frames: Tensor,  # (B, 3, 64, 64) in [0, 1]
    ) -> Tensor:  # (B, D)
        """Return embeddings of unit length."""
        features = self.trunk(2 * frames - 1)
        shares = self.attention(features).float().flatten(2).softmax(-1)
        pooled = (shares @ features.float().flatten(2).mT).flatten(1)
        return F.normalize(self.head(pooled).float())
