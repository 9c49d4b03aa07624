"""Animation via disentanglement: the driving pose on the shape of the source's object.

Siarohin et al., Motion Representations for Articulated Animation (CVPR 2021), section 3.5. The
layers are those of TPSMM's published models (github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model).
"""

import torch
from torch import Tensor, nn

from cpabmm_core.geometry import local_affine

_ENCODER_WIDTHS = (256, 512, 1024)
_DECODER_WIDTHS = (1024, 512, 256)


class AvdNetwork(nn.Module):
    """Combines the shape of one set of keypoints with the pose of another.

    Example:
        >>> network = AvdNetwork(keypoints=10, id_bottle_size=8, pose_bottle_size=8).eval()
        >>> network(torch.zeros(3, 10, 2), torch.zeros(3, 10, 2)).shape
        torch.Size([3, 10, 2])
    """

    def __init__(
        self,
        keypoints: int,
        id_bottle_size: int = 128,
        pose_bottle_size: int = 128,
        *,
        numbers_per_keypoint: int = 2,
        undirected: bool = False,
    ) -> None:
        """Create the layers.

        Args:
            keypoints: number N of keypoints.
            id_bottle_size: length of the code of an object's shape.
            pose_bottle_size: length of the code of a pose.
            numbers_per_keypoint: C; 6 for keypoints with jacobians (`geometry.local_affine`).
            undirected: whether the jacobians are axes without a direction. Axes of the object are
                then flipped to agree with those of the pose before they are encoded.
        """
        super().__init__()
        self.undirected = undirected
        numbers = numbers_per_keypoint * keypoints
        self.id_encoder = _perceptron(numbers, *_ENCODER_WIDTHS, id_bottle_size)
        self.pose_encoder = _perceptron(numbers, *_ENCODER_WIDTHS, pose_bottle_size)
        self.decoder = _perceptron(id_bottle_size + pose_bottle_size, *_DECODER_WIDTHS, numbers)

    def forward(
        self,
        identity: Tensor,  # (B, N, C) in [-1, 1]
        pose: Tensor,  # (B, N, C) in [-1, 1], or slightly outside
    ) -> Tensor:  # (B, N, C)
        """Compute the keypoints of one object in the pose of another.

        Convention: (x, y); -1 and 1 are the centres of the first and last pixel.

        Args:
            identity: keypoints of the object whose shape to keep.
            pose: keypoints of the object whose pose to take.

        Returns:
            The keypoints, not bounded to [-1, 1].
        """
        if self.undirected:
            identity = local_affine.align_axes(identity, pose)
        codes = self.pose_encoder(pose.flatten(1)), self.id_encoder(identity.flatten(1))
        moved: Tensor = self.decoder(torch.cat(codes, dim=1))
        return moved.view_as(pose)


def _perceptron(first: int, *widths: int) -> nn.Sequential:
    """Build linear layers with batch norm and ReLU between them."""
    layers: list[nn.Module] = []
    for width in widths[:-1]:
        layers += [nn.Linear(first, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        first = width
    return nn.Sequential(*layers, nn.Linear(first, widths[-1]))
