"""The training objective: reconstruction of the driving frames, and the sum of weighted losses."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cpabmm_core.config import LossesConfig
from cpabmm_core.geometry.local_affine import have_jacobians, positions
from cpabmm_core.geometry.tps import ThinPlateSpline
from cpabmm_core.geometry.warping import warp
from cpabmm_core.losses.adversarial import AdversarialLosses
from cpabmm_core.losses.background import background_loss
from cpabmm_core.losses.balance import balance_loss
from cpabmm_core.losses.equivariance import equivariance_loss, frame_equivariance_loss
from cpabmm_core.losses.warp import warp_loss
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.pair_reconstruction import PairReconstruction, reconstruct_pair


@dataclass(frozen=True)
class StepSample:
    """The random choices of one forward pass."""

    deformation: ThinPlateSpline
    """Deformation of the driving frames for the equivariance loss."""
    drop: Tensor | None
    """(B, K) bool: candidate motions to leave out, or None."""


@dataclass(frozen=True)
class Outcome:
    """The result of one forward pass."""

    losses: dict[str, Tensor]
    """Each weighted loss by name, and their sum as ``loss``. Training adds ``discriminator``, the
    loss of the discriminator, which is not part of the sum."""
    pair: PairReconstruction


class Losses(nn.Module):
    """The weights of the losses and the frozen networks that some of them need.

    Args:
        weights: weights of the losses; a loss of weight 0 is not computed.
        reconstruction: distance of the generated frame from the driving frame.
        semantic: keypoint-semantic loss (paper, Eq. 8), or None if disabled.
        structure: structure loss (paper, Eqs. 9 and 10), or None if disabled.
        adversarial: losses against a discriminator, or None if disabled.

    Example:
        >>> from cpabmm_core.config import LossesConfig
        >>> from cpabmm_core.losses import PixelLoss
        >>> Losses(LossesConfig(warp=0), PixelLoss()).weights.warp
        0.0
    """

    def __init__(
        self,
        weights: LossesConfig,
        reconstruction: nn.Module,
        semantic: nn.Module | None = None,
        structure: nn.Module | None = None,
        adversarial: AdversarialLosses | None = None,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.reconstruction = reconstruction
        self.semantic = semantic
        self.structure = structure
        self.adversarial = adversarial


class Objective(nn.Module):
    """Model and losses in one module, as data-parallel training requires.

    Args:
        model: the model to train.
        losses: the losses and their weights.
    """

    def __init__(self, model: AnimationModel, losses: Losses) -> None:
        super().__init__()
        self.model = model
        self.losses = losses

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
        *,
        sample: StepSample,
        with_background: bool,
    ) -> Outcome:
        """Reconstruct the driving frames from the source frames and compute the losses.

        Args:
            source: first frames of the pairs.
            driving: second frames of the pairs.
            sample: the random choices of this pass.
            with_background: whether to use the background predictor; otherwise the background is
                static.
        """
        # Zero padding would reveal the deformation at the border.
        flow = sample.deformation.flow(*driving.shape[2:])
        deformed = warp(driving, flow, padding="reflection")
        keypoints = self.model.keypoints(torch.cat([source, driving, deformed])).float()
        kp_source, kp_driving, kp_deformed = keypoints.chunk(3)
        pair = reconstruct_pair(
            self.model,
            source,
            driving,
            keypoints=(kp_source, kp_driving),
            with_background=with_background,
            drop=sample.drop,
        )
        losses = self._reconstruction(pair, driving)
        losses |= self._motion(pair, driving)
        losses |= self._equivariance(kp_driving, kp_deformed, sample.deformation)
        losses |= self._background(pair.background, source, driving)
        losses |= self._semantic(pair, source, driving)
        losses |= self._image(pair, driving)
        losses["loss"] = torch.stack(list(losses.values())).sum()
        return Outcome(losses, pair)

    def _reconstruction(self, pair: PairReconstruction, driving: Tensor) -> dict[str, Tensor]:
        distance = self.losses.reconstruction(pair.generated, driving)
        return {"reconstruction": self.losses.weights.reconstruction * distance}

    def _motion(self, pair: PairReconstruction, driving: Tensor) -> dict[str, Tensor]:
        """Return the losses of the dense motion network: balance and warp."""
        weights, losses = self.losses.weights, {}
        if weights.balance:
            losses["balance"] = weights.balance * balance_loss(pair.motion.contribution_maps)
        if weights.warp:
            with torch.no_grad():
                driving_features = self.model.generator.encode(driving)
            distance = warp_loss(pair.source_features, driving_features, pair.motion)
            losses["warp"] = weights.warp * distance
        return losses

    def _equivariance(
        self, keypoints: Tensor, deformed: Tensor, deformation: ThinPlateSpline
    ) -> dict[str, Tensor]:
        weights, losses = self.losses.weights, {}
        if weights.equivariance:
            distance = equivariance_loss(keypoints, deformed, deformation)
            losses["equivariance"] = weights.equivariance * distance
        if weights.frame_equivariance and have_jacobians(keypoints):
            undirected = self.model.candidate_motion.undirected
            distance = frame_equivariance_loss(
                keypoints, deformed, deformation, undirected=undirected
            )
            losses["frame_equivariance"] = weights.frame_equivariance * distance
        return losses

    def _background(
        self, forward: Tensor | None, source: Tensor, driving: Tensor
    ) -> dict[str, Tensor]:
        weight = self.losses.weights.background
        if forward is None or not weight:
            return {}
        backward = self.model.background(driving, source)
        assert backward is not None  # the model has a background predictor
        return {"background": weight * background_loss(forward, backward)}

    def _semantic(
        self, pair: PairReconstruction, source: Tensor, driving: Tensor
    ) -> dict[str, Tensor]:
        if self.losses.semantic is None:
            return {}
        distance = self.losses.semantic(
            source, positions(pair.kp_source), driving, positions(pair.kp_driving)
        )
        return {"semantic": self.losses.weights.semantic * distance}

    def _image(self, pair: PairReconstruction, driving: Tensor) -> dict[str, Tensor]:
        """Return the losses of the generated frame besides reconstruction."""
        parts, losses = self.losses, {}
        if parts.structure is not None:
            distance = parts.structure(pair.generated, driving)
            losses["structure"] = parts.weights.structure * distance
        if parts.adversarial is not None:
            adversarial, matching = parts.adversarial(pair.generated, driving, pair.kp_driving)
            losses["adversarial"] = parts.weights.adversarial * adversarial
            if parts.weights.feature_matching:
                losses["feature_matching"] = parts.weights.feature_matching * matching
        return losses
