"""The animation model: receives its parts and joins them."""

import torch
from torch import Tensor, nn

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.avd import AvdNetwork
from cpabmm_core.models.background import BackgroundPredictor
from cpabmm_core.models.dense_motion import DenseMotionNetwork, Motion
from cpabmm_core.models.generator import Generator
from cpabmm_core.models.motion import CandidateMotion, MotionKind


class AnimationModel(nn.Module):
    """Draws the object of a source image in the pose of a driving frame.

    Convention: frames are RGB in [0, 1]; keypoints and flows are (x, y) in [-1, 1] with
    align_corners=True; flows are backward maps from the driving frame to the source. With affine
    motion keypoints have four numbers more, the local frames of `geometry.local_affine`.
    """

    def __init__(
        self,
        keypoint_detector: nn.Module,
        background_predictor: BackgroundPredictor | None,
        candidate_motion: CandidateMotion,
        dense_motion: DenseMotionNetwork,
        generator: Generator,
        avd: AvdNetwork | None = None,
        *,
        frame_size: int,
        relative_hull_scaling: bool = True,
    ) -> None:
        """Join the parts.

        Args:
            keypoint_detector: images to keypoints.
            background_predictor: None for a background at rest.
            candidate_motion: keypoints to flows.
            dense_motion: mixes the flows.
            generator: renders the result.
            avd: the network of mode ``avd``, if there is one.
            frame_size: side of the frames the model is made for.
            relative_hull_scaling: mode ``relative`` scales movements by the size of the objects.
        """
        super().__init__()
        self.keypoint_detector = keypoint_detector
        self.background_predictor = background_predictor
        self.candidate_motion = candidate_motion
        self.dense_motion = dense_motion
        self.generator = generator
        self.avd = avd
        self.frame_size = frame_size
        self.relative_hull_scaling = relative_hull_scaling

    @property
    def motion_kind(self) -> MotionKind:
        """Name of the family of the candidate motions."""
        return self.candidate_motion.kind

    def keypoints(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, N, 2) in [-1, 1], or (B, N, 6) with affine motion
        """Detect the keypoints of each image."""
        keypoints: Tensor = self.keypoint_detector(images)
        return keypoints

    def background(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor | None:  # (B, 3, 3)
        """Affine map of the background from driving to source; None for a model without one."""
        if self.background_predictor is None:
            return None
        matrix: Tensor = self.background_predictor(source, driving)
        return matrix

    def motion(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        kp_source: Tensor,  # (B, N, 2), or (1, N, 2), in [-1, 1]; 6 in place of 2: see `keypoints`
        kp_driving: Tensor,  # (B, N, 2) in [-1, 1]
        background: Tensor | None = None,  # (B, 3, 3), None for a background at rest
        *,
        drop: Tensor | None = None,  # (B, K) bool
    ) -> Motion:
        """Estimate the flow from the source to each driving pose.

        Args:
            source: the image to move; one image may serve every pose.
            kp_source: its keypoints.
            kp_driving: the poses.
            background: affine motion of the background, from driving to source.
            drop: candidates to leave out, the background first among the K.
        """
        batch = kp_driving.shape[0]
        kp_source = kp_source.expand_as(kp_driving)
        size = self.dense_motion.flow_size((source.shape[2], source.shape[3]))
        moved = self.candidate_motion(kp_source, kp_driving, size)
        rest = identity_grid(*size, device=moved.device, dtype=moved.dtype)
        rest = rest.expand(batch, -1, -1, -1)
        if background is not None:
            rest = apply_affine(background.to(moved.dtype), rest)
        candidates = torch.cat((rest[:, None], moved), dim=1)
        motion: Motion = self.dense_motion(source, kp_source, kp_driving, candidates, drop)
        return motion

    def generate(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        motion: Motion,
        features: list[Tensor] | None = None,  # of the source, from `generator.encode`
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Render the source in motion; `features` spares encoding it again."""
        if features is None:
            features = self.generator.encode(source)
        return self.generator.render(source, features, motion)
