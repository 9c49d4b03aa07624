"""The affine motion of the background between two frames, predicted or registered."""

import torch
from torch import Tensor, nn

from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.registration import register_affine


class BackgroundPredictor(nn.Module):
    """Backbone on the two concatenated frames, followed by a linear layer to six affine parameters.

    Example:
        >>> backbone = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())  # 6 features
        >>> predictor = BackgroundPredictor(backbone, features=6)
        >>> predictor(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))[0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(self, backbone: nn.Module, features: int) -> None:
        """Assemble the predictor; before training it returns the identity.

        Args:
            backbone: network from (B, 6, H, W) to (B, features).
            features: length of its feature vectors.
        """
        super().__init__()
        self.backbone = backbone
        self.linear = nn.Linear(features, 6)
        nn.init.zeros_(self.linear.weight)
        with torch.no_grad():
            self.linear.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 3, 3)
        """Predict the affine map of the background from driving to source coordinates.

        Args:
            source: source images.
            driving: driving frames.

        Returns:
            Homogeneous matrices on (x, y, 1), x and y in [-1, 1].
        """
        features = self.backbone(torch.cat((source, driving), dim=1))
        with autocast_off(features.device):
            rows = self.linear(features.to(self.linear.weight.dtype)).view(-1, 2, 3)
        last_row = rows.new_tensor([0.0, 0.0, 1.0]).expand(rows.shape[0], 1, 3)
        return torch.cat((rows, last_row), dim=1)


class RegisteredBackground(nn.Module):
    """Registration of the two frames, without a network: see `geometry.register_affine`.

    It has no parameters and no gradient, so the background loss cannot change it.

    Example:
        >>> frame = torch.rand(1, 3, 32, 32)
        >>> RegisteredBackground()(frame, frame)[0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 3, 3)
        """Find the affine map of the background from driving to source coordinates.

        Args:
            source: source images.
            driving: driving frames.

        Returns:
            Homogeneous matrices on (x, y, 1), x and y in [-1, 1].
        """
        return register_affine(source, driving)
