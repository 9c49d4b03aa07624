"""A keypoint detector with a known answer: a grid of points on what is bright."""

import torch
from _helpers.tiny_model import tiny_model
from torch import Tensor, nn

from cpabmm_core.inference.inference_model import InferenceModel

_STEPS = 5


class BlobDetector(nn.Module):
    """Places 5 x 5 keypoints evenly over the box of the bright pixels, at the centre without any.

    The first `astray` keypoints lie in the top left corner instead.
    """

    def __init__(self, astray: int = 0) -> None:
        super().__init__()
        self.astray = astray

    def forward(
        self,
        images: Tensor,  # (B, 3, S, S) in [0, 1]
    ) -> Tensor:  # (B, 25, 2) in [-1, 1]
        return torch.stack([self._points(image.mean(dim=0) > 0.5) for image in images])

    def _points(self, bright: Tensor) -> Tensor:
        if not bright.any():
            return torch.zeros(_STEPS**2, 2)
        x, y = (
            torch.linspace(line.min().item(), line.max().item(), _STEPS)
            for line in (_places(bright.any(0)), _places(bright.any(1)))
        )
        points = torch.cartesian_prod(x, y)
        points[: self.astray] = -1.0
        return points


def _places(
    bright: Tensor,  # (S,)
) -> Tensor:  # in [-1, 1]
    """Return the coordinates along an axis where something is bright."""
    return torch.linspace(-1, 1, len(bright))[bright]


def blob_model(astray: int = 0) -> InferenceModel:
    """Return a model for frames of 32 px that finds bright pixels."""
    model = tiny_model()
    model.keypoint_detector = BlobDetector(astray)
    return InferenceModel(model, "cpu", batch_size=2)
