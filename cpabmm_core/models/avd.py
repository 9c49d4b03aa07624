"""Animation via disentanglement: the driving pose on the shape of the source's object.

Siarohin et al., Motion Representations for Articulated Animation (CVPR 2021), section 3.5; the
layout is that of TPSMM's published models (github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model).
"""

import torch
from torch import Tensor, nn

from cpabmm_core.geometry import local_affine

_ENCODER_WIDTHS = (256, 512, 1024)
_DECODER_WIDTHS = (1024, 512, 256)


class AvdNetwork(nn.Module):
    """Joins the shape told by one set of keypoints with the pose told by another."""

    def __init__(
        self,
        keypoints: int,
        id_bottle_size: int = 128,
        pose_bottle_size: int = 128,
        *,
        numbers_per_keypoint: int = 2,
        undirected: bool = False,
    ) -> None:
        """Lay out the network.

        Args:
            keypoints: number N of keypoints.
            id_bottle_size: numbers that tell the shape of an object.
            pose_bottle_size: numbers that tell a pose.
            numbers_per_keypoint: C; 6 for keypoints with frames (`geometry.local_affine`).
            undirected: the axes of the frames have no direction, so the network is spared the half
                turns between those of an object and of a pose.
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
        pose: Tensor,  # (B, N, C) in [-1, 1], or a little beyond
    ) -> Tensor:  # (B, N, C)
        """Keypoints of the object of `identity` in the pose of the object of `pose`.

        Convention: (x, y), -1 and 1 are the centres of the first and last pixel. The result is not
        bounded.
        """
        if self.undirected:
            identity = local_affine.align_axes(identity, pose)
        codes = self.pose_encoder(pose.flatten(1)), self.id_encoder(identity.flatten(1))
        moved: Tensor = self.decoder(torch.cat(codes, dim=1))
        return moved.view_as(pose)


def _perceptron(first: int, *widths: int) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them."""
    layers: list[nn.Module] = []
    for width in widths[:-1]:
        layers += [nn.Linear(first, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        first = width
    return nn.Sequential(*layers, nn.Linear(first, widths[-1]))
