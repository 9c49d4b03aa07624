"""The animation model, assembled from its networks."""

import torch
from torch import Tensor, nn

from cpabmm_core.geometry.affine import apply_affine
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.avd import AvdNetwork
from cpabmm_core.models.dense_motion import DenseMotionNetwork, Motion
from cpabmm_core.models.generator import Generator
from cpabmm_core.models.motion import CandidateMotion, MotionKind


class AnimationModel(nn.Module):
    """Renders the object of a source image in the pose of a driving frame.

    The four steps are methods: `keypoints`, `background`, `motion` and `generate`.

    Convention: images are RGB in [0, 1]. Keypoints and flows are (x, y) in [-1, 1] with
    align_corners=True. Flows are backward maps from the driving frame to the source. With affine
    motion, each keypoint has four more numbers, its jacobian (`geometry.local_affine`).

    Example:
        >>> from cpabmm_core import load_model
        >>> model = load_model("puppets", device="cpu")
        >>> source, driving = torch.rand(1, 3, 128, 128), torch.rand(2, 3, 128, 128)
        >>> with torch.inference_mode():
        ...     kp_source, kp_driving = model.keypoints(source), model.keypoints(driving)
        ...     background = model.background(source.expand_as(driving), driving)
        ...     motion = model.motion(source, kp_source, kp_driving, background)
        ...     generated = model.generate(source, motion)
        >>> tuple(kp_driving.shape), tuple(motion.deformation.shape), tuple(generated.shape)
        ((2, 50, 2), (2, 64, 64, 2), (2, 3, 128, 128))
    """

    def __init__(
        self,
        keypoint_detector: nn.Module,
        background_predictor: nn.Module | None,
        candidate_motion: CandidateMotion,
        dense_motion: DenseMotionNetwork,
        generator: Generator,
        avd: AvdNetwork | None = None,
        *,
        frame_size: int,
        relative_hull_scaling: bool = True,
    ) -> None:
        """Assemble the model; `build_model` builds the parts from a configuration.

        Args:
            keypoint_detector: detects the keypoints of an image.
            background_predictor: predicts the affine motion of the background from source and
                driving frame; None for a background at rest.
            candidate_motion: computes the candidate motions from two sets of keypoints.
            dense_motion: mixes the candidates into one flow and predicts occlusion maps.
            generator: renders the result.
            avd: the network for mode ``avd``, if the model has one.
            frame_size: side of the square frames that the model was made for, in pixels.
            relative_hull_scaling: whether mode ``relative`` scales movements by the size of the
                objects, see `inference.transfer_keypoints`.
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
        """The family of the candidate motions: ``cpab``, ``tps`` or ``affine``."""
        return self.candidate_motion.kind

    def keypoints(
        self,
        images: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, N, 2) in [-1, 1], or (B, N, 6) with affine motion
        """Detect the keypoints of each image.

        Args:
            images: RGB images.

        Returns:
            Positions (x, y), followed by the rows of the jacobian if the motion is affine.
        """
        keypoints: Tensor = self.keypoint_detector(images)
        return keypoints

    def background(
        self,
        source: Tensor,  # (B, 3, H, W) in [0, 1]
        driving: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor | None:  # (B, 3, 3)
        """Predict the affine motion of the background.

        Args:
            source: source images.
            driving: driving frames.

        Returns:
            Homogeneous matrices from driving to source coordinates, or None if the model has no
            background predictor.
        """
        if self.background_predictor is None:
            return None
        matrix: Tensor = self.background_predictor(source, driving)
        return matrix

    def motion(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        kp_source: Tensor,  # (B, N, 2 or 6), or (1, N, 2 or 6), in [-1, 1]
        kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        background: Tensor | None = None,  # (B, 3, 3)
        *,
        drop: Tensor | None = None,  # (B, K) bool
    ) -> Motion:
        """Estimate the motion between the source and each driving pose.

        Args:
            source: source images; one image may serve all poses.
            kp_source: keypoints of the source.
            kp_driving: the driving poses.
            background: affine motion of the background, from driving to source coordinates; None
                for a background at rest.
            drop: candidates to leave out; the background is the first of the K.

        Returns:
            The deformation, the contribution maps and the occlusion maps.
        """
        kp_source = kp_source.expand_as(kp_driving)
        size = self.dense_motion.flow_size((source.shape[2], source.shape[3]))
        candidates = self._candidates(kp_source, kp_driving, background, size)
        motion: Motion = self.dense_motion(source, kp_source, kp_driving, candidates, drop)
        return motion

    def _candidates(
        self,
        kp_source: Tensor,  # (B, N, 2 or 6)
        kp_driving: Tensor,  # (B, N, 2 or 6)
        background: Tensor | None,  # (B, 3, 3)
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, K, h, w, 2)
        """Return the candidate motions, the background first."""
        moved = self.candidate_motion(kp_source, kp_driving, size)
        rest = identity_grid(*size, device=moved.device, dtype=moved.dtype)
        rest = rest.expand(len(kp_driving), -1, -1, -1)
        if background is not None:
            rest = apply_affine(background.to(moved.dtype), rest)
        return torch.cat((rest[:, None], moved), dim=1)

    def generate(
        self,
        source: Tensor,  # (B, 3, H, W), or (1, 3, H, W), in [0, 1]
        motion: Motion,
        features: list[Tensor] | None = None,  # fine to coarse
    ) -> Tensor:  # (B, 3, H, W) in [0, 1]
        """Render the source in the driving poses.

        Args:
            source: source images.
            motion: the motion to each driving pose.
            features: feature maps of the source from ``model.generator.encode(source)``; None
                computes them.

        Returns:
            One image per driving pose.
        """
        if features is None:
            features = self.generator.encode(source)
        return self.generator.render(source, features, motion)
