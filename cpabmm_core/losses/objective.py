"""The training objective: runs the model on a pair and adds the losses up by their weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cpabmm_core.config import LossesConfig
from cpabmm_core.geometry.local_affine import have_jacobians, positions
from cpabmm_core.geometry.tps import ThinPlateSpline
from cpabmm_core.geometry.warping import warp
from cpabmm_core.losses.adversarial import DiscriminatorAsJudge
from cpabmm_core.losses.background import background_loss
from cpabmm_core.losses.balance import balance_loss
from cpabmm_core.losses.equivariance import equivariance_loss, frame_equivariance_loss
from cpabmm_core.losses.warp import warp_loss
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.dense_motion import Motion


@dataclass(frozen=True)
class Draws:
    """What chance decides in one forward pass."""

    deformation: ThinPlateSpline
    """Of the driving frames, for the equivariance loss."""
    drop: Tensor | None
    """(B, K) bool: candidate motions to leave out; None for none."""


@dataclass(frozen=True)
class Outcome:
    """What one forward pass gave."""

    losses: dict[str, Tensor]
    """Each weighted loss by name, and their sum as ``loss``. Training adds the ``discriminator``'s
    own, which is no part of the sum: another network makes it smaller."""
    generated: Tensor  # (B, 3, H, W) in [0, 1]
    motion: Motion
    kp_source: Tensor  # (B, N, 2 or 6) in [-1, 1]
    kp_driving: Tensor  # (B, N, 2 or 6) in [-1, 1]


class Losses(nn.Module):
    """The losses' weights and the frozen networks that some of them need.

    Args:
        weights: of the losses; a loss of weight 0 is not computed.
        reconstruction: distance of the generated from the driving frame.
        semantic: of the keypoints of source and driving frame (paper, Eq. 8), where it counts.
        structure: distance of the generated from the driving frame, where it counts.
        judge: tells generated from driving frames, where that counts; learns elsewhere.
    """

    def __init__(
        self,
        weights: LossesConfig,
        reconstruction: nn.Module,
        semantic: nn.Module | None = None,
        structure: nn.Module | None = None,
        judge: DiscriminatorAsJudge | None = None,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.reconstruction = reconstruction
        self.semantic = semantic
        self.structure = structure
        self.judge = judge


class Objective(nn.Module):
    """Model and losses in one module, as data-parallel training needs them."""

    def __init__(self, model: AnimationModel, losses: Losses) -> None:
        super().__init__()
        self.model = model
        self.losses = losses

    def forward(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
        *,
        draws: Draws,
        with_background: bool,
    ) -> Outcome:
        """Reconstruct the driving frame from the source and compare.

        Args:
            source: first frames of the pairs.
            driving: second frames.
            draws: what chance has a part in.
            with_background: whether the background moves.
        """
        model, parts, deformation = self.model, self.losses, draws.deformation
        weights = parts.weights
        # A black border would give the deformation away.
        flow = deformation.flow(*driving.shape[2:])
        deformed = warp(driving, flow, padding="reflection")
        keypoints = model.keypoints(torch.cat([source, driving, deformed])).float()
        kp_source, kp_driving, kp_deformed = keypoints.chunk(3)
        background = model.background(source, driving) if with_background else None
        motion = model.motion(source, kp_source, kp_driving, background, drop=draws.drop)
        features = model.generator.encode(source)
        generated = model.generate(source, motion, features)

        losses = {
            "reconstruction": weights.reconstruction * parts.reconstruction(generated, driving)
        }
        if weights.balance:
            losses["balance"] = weights.balance * balance_loss(motion.contribution_maps)
        if weights.warp:
            with torch.no_grad():
                driving_features = model.generator.encode(driving)
            losses["warp"] = weights.warp * warp_loss(features, driving_features, motion)
        losses |= self._equivariance(kp_driving, kp_deformed, deformation)
        if background is not None and weights.background:
            losses["background"] = weights.background * self._background(
                background, source, driving
            )
        if parts.semantic is not None:
            distance = parts.semantic(source, positions(kp_source), driving, positions(kp_driving))
            losses["semantic"] = weights.semantic * distance
        losses |= self._judged(generated, driving, kp_driving)
        losses["loss"] = torch.stack(list(losses.values())).sum()
        return Outcome(losses, generated, motion, kp_source, kp_driving)

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

    def _judged(self, generated: Tensor, driving: Tensor, kp_driving: Tensor) -> dict[str, Tensor]:
        """What DINO and the discriminator find of the generated frame."""
        parts, losses = self.losses, {}
        if parts.structure is not None:
            losses["structure"] = parts.weights.structure * parts.structure(generated, driving)
        if parts.judge is not None:
            adversarial, matching = parts.judge(generated, driving, kp_driving)
            losses["adversarial"] = parts.weights.adversarial * adversarial
            if parts.weights.feature_matching:
                losses["feature_matching"] = parts.weights.feature_matching * matching
        return losses

    def _background(self, there: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        back = self.model.background(driving, source)
        return there.new_zeros(()) if back is None else background_loss(there, back)
