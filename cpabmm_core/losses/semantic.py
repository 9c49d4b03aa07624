"""Keypoint-semantic loss: a keypoint has the same meaning in both frames (paper, Eq. 8)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cpabmm_core.models.frozen.sam import SamFeatures


class SemanticLoss(nn.Module):
    """Distance between the Segment Anything embeddings of corresponding keypoints.

    Args:
        sam: the frozen model.

    Example:
        >>> class Positions(nn.Module):  # in place of Segment Anything
        ...     def embed_images(self, images):
        ...         return images
        ...     def keypoint_tokens(self, embedding, keypoints, size):
        ...         return keypoints
        >>> loss, frame = SemanticLoss(Positions()), torch.rand(1, 3, 8, 8)
        >>> loss(frame, torch.tensor([[[0.0, 1.0]]]), frame, torch.tensor([[[1.0, 0.0]]]))
        tensor(1.)
    """

    def __init__(self, sam: SamFeatures) -> None:
        super().__init__()
        self.sam = sam

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        kp_source: Tensor,  # (B, N, 2) in [-1, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
        kp_driving: Tensor,  # (B, N, 2) in [-1, 1]
    ) -> Tensor:  # ()
        """Return the loss, differentiable in the positions of the keypoints only."""
        height, width = source.shape[2:]
        embedding = self.sam.embed_images(torch.cat([source, driving]))
        keypoints = torch.cat([kp_source, kp_driving])
        tokens = self.sam.keypoint_tokens(embedding, keypoints, (height, width))
        return semantic_loss(*tokens.chunk(2))


def semantic_loss(
    source_tokens: Tensor,  # (B, N, C)
    driving_tokens: Tensor,  # (B, N, C)
) -> Tensor:  # (), from 0 to 2N
    """Return the sum over keypoints of 1 - cosine, averaged over the batch (paper, Eq. 8).

    Example:
        >>> semantic_loss(torch.eye(2)[None], 3 * torch.eye(2)[None])
        tensor(0.)
    """
    return (1 - F.cosine_similarity(source_tokens, driving_tokens, dim=-1)).sum(dim=1).mean()
