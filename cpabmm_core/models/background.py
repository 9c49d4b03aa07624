"""Predictor of the affine motion of the background between two frames."""

import torch
from torch import Tensor, nn

from cpabmm_core.geometry.autocast import autocast_off


class BackgroundPredictor(nn.Module):
    """Backbone on both frames, stacked, to the six numbers of an affine map."""

    def __init__(self, backbone: nn.Module, features: int) -> None:
        """Put the parts together.

        Args:
            backbone: from (B, 6, H, W) to one vector each.
            features: its length.
        """
        super().__init__()
        self.backbone = backbone
        self.linear = nn.Linear(features, 6)
        nn.init.zeros_(self.linear.weight)
        with torch.no_grad():
            self.linear.bias.copy_(torch.eye(2, 3).flatten())

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 3, 3)
        """Affine map of the background from driving to source coordinates.

        Convention: homogeneous matrices on (x, y, 1) in [-1, 1]; the identity before training.
        """
        features = self.backbone(torch.cat((source, driving), dim=1))
        with autocast_off(features.device):
            rows = self.linear(features.to(self.linear.weight.dtype)).view(-1, 2, 3)
        last_row = rows.new_tensor([0.0, 0.0, 1.0]).expand(rows.shape[0], 1, 3)
        return torch.cat((rows, last_row), dim=1)
