"""Transfer of a sequence of driving poses to the object of the source."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from cpabmm_core.errors import ShapeError
from cpabmm_core.inference.motion_scale import check_motion_scale, scale_motion
from cpabmm_core.inference.pose_gap import pose_gap
from cpabmm_core.inference.smoothing import PoseSmoother
from cpabmm_core.inference.transfer import (
    TransferMode,
    check_mode,
    move_by,
    relative_size,
    transfer_keypoints,
)
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.avd import AvdNetwork


class PoseTransfer:
    """Computes the poses that the source's object takes, frame by frame.

    It holds what a sequence of frames shares: the reference frame, the relative size of the two
    objects, and the state of the smoothing filter. With a motion scale of 1 and no smoothing each
    pose is that of `transfer_keypoints`. How the frames are split into batches makes no difference.

    The steps are: smooth the driving keypoints, transfer them in the given mode, then multiply the
    movement from the source's pose to the new one by the motion scale.

    In mode ``relative`` a pose depends on the source, its driving frame and the reference alone. So
    the frames may come in any order: forwards from the reference and then backwards from it, as the
    peers animate from their best frame, gives the same poses as the order of the video. (Smoothing
    does depend on the order; it needs the order of time.)

    Convention: (x, y); -1 and 1 are the centres of the first and last pixel. Keypoints may carry
    jacobians (`geometry.local_affine`).

    Example:
        >>> corners = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]])
        >>> driving = torch.cat((2 * corners, 2 * corners + 0.4))  # twice as large, then it moves
        >>> poses = PoseTransfer(corners, motion_scale=0.5)
        >>> moved = poses.step(driving)
        >>> torch.allclose(moved[0], corners[0]), torch.allclose(moved[1], corners[0] + 0.1)
        (True, True)
    """

    def __init__(
        self,
        source: Tensor,  # (1 or B, N, 2 or 6) in [-1, 1]
        mode: TransferMode = "relative",
        *,
        avd: AvdNetwork | None = None,
        hull_scaling: bool = True,
        motion_scale: float = 1.0,
        smooth: float = 0.0,
        reference: Tensor | None = None,  # (1, N, 2 or 6) in [-1, 1]
        undirected: bool = False,
    ) -> None:
        """Set what does not change from frame to frame.

        Args:
            source: keypoints of the source, or of one source for each pose of a step (see `step`).
                The relative size is that of the first source to the reference for the whole
                sequence: recomputed in each frame, it would shake with the noise of the keypoints,
                and would change with the pose of the source.
            mode: how driving poses are transferred, see `transfer_keypoints`.
            avd: the network for mode ``avd``, in eval mode.
            hull_scaling: in mode ``relative``, scale movements by the relative size.
            motion_scale: factor of all movements, 0 to 10. In mode ``relative`` it multiplies the
                movement since the reference. In the other modes it multiplies the difference
                between the source's pose and the new one, so that 0.5 gives a pose half way
                between them. Jacobians turn and stretch accordingly (`scale_motion`).
            smooth: strength of the one-euro filter on the driving keypoints, from 0 (none) to 1.
            reference: keypoints of the driving frame whose pose corresponds to the source, for mode
                ``relative``; None means the first driving frame.
            undirected: whether jacobians are axes without a direction, as in MRAA.

        Raises:
            ConfigError: the mode is unknown, it is ``avd`` and there is no network, or the motion
                scale or the smoothing is out of range.
            ShapeError: `reference` is not one pose with the keypoints of the source.
        """
        check_mode(mode, avd)
        check_motion_scale(motion_scale)
        self.mode: TransferMode = mode
        """How driving poses are transferred."""
        self._source = source
        self._avd, self._hull_scaling = avd, hull_scaling
        self._motion_scale, self._undirected = motion_scale, undirected
        self._smoother = PoseSmoother(smooth, undirected=undirected)
        self._reference: Tensor | None = None
        self._size = 1.0
        if reference is not None:
            self._check("reference", reference, count=1)
            self._set_reference(reference)

    @classmethod
    def for_model(
        cls,
        model: AnimationModel,
        source: Tensor,  # (1 or B, N, 2 or 6) in [-1, 1]
        mode: TransferMode = "relative",
        *,
        hull_scaling: bool | None = None,
        motion_scale: float = 1.0,
        smooth: float = 0.0,
        reference: Tensor | None = None,  # (1, N, 2 or 6) in [-1, 1]
    ) -> Self:
        """Create an object for the keypoints and the avd network of a model.

        Args:
            model: the model that detects the keypoints.
            source: as for the class.
            mode: as for the class.
            hull_scaling: as for the class; None means as the model was trained.
            motion_scale: as for the class.
            smooth: as for the class.
            reference: as for the class.

        Raises:
            ConfigError: as for the class.
            ShapeError: as for the class.
        """
        scaling = model.relative_hull_scaling if hull_scaling is None else hull_scaling
        return cls(
            source,
            mode,
            avd=model.avd,
            hull_scaling=scaling,
            motion_scale=motion_scale,
            smooth=smooth,
            reference=reference,
            undirected=model.candidate_motion.undirected,
        )

    @property
    def reference(self) -> Tensor | None:  # (1, N, 2 or 6) in [-1, 1]
        """The keypoints of the reference frame; None before the first frame, unless given."""
        return self._reference

    @torch.no_grad()
    def step(
        self,
        driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        times: Sequence[float] | None = None,
        source: Tensor | None = None,  # (1 or B, N, 2 or 6) in [-1, 1]
    ) -> Tensor:  # (B, N, 2 or 6)
        """Compute the next poses.

        Args:
            driving: keypoints of the next driving frames; they are moved to the source's device.
            times: their presentation times in seconds, rising, which smoothing needs; None means 25
                frames per second.
            source: keypoints of the source for these frames, if it moves as well; None means those
                that the object was created with.

        Returns:
            One pose per driving frame, which may lie outside [-1, 1]; an empty batch for an empty
            batch.

        Raises:
            ShapeError: the keypoints of driving frames and source differ in number or kind, or
                their counts, or that of the times, do not match.
            DataError: smoothing is on, and a time is not later than the one before.
        """
        driving = driving.to(self._source)
        self._check("driving", driving)
        source = self._source if source is None else source.to(self._source)
        self._check("source", source, count=len(driving))
        driving = self._smoother.step(driving, times)
        if not len(driving):
            return driving
        if self._reference is None:
            self._set_reference(driving[:1])
        target = self._transfer(source, driving)
        return scale_motion(source, target, self._motion_scale, undirected=self._undirected)

    def pose_gap(self) -> float | None:
        """Return how much the shapes of source and reference differ, see the function `pose_gap`.

        Returns:
            None before the first frame, and in modes that do not use a reference.
        """
        if self._reference is None or self.mode != "relative":
            return None
        return pose_gap(self._source[:1], self._reference)

    def _set_reference(
        self,
        reference: Tensor,  # (1, N, 2 or 6)
    ) -> None:
        self._reference = reference.to(self._source)
        if self.mode == "relative":
            self._size = relative_size(self._source, self._reference, self._hull_scaling)

    def _transfer(
        self,
        source: Tensor,  # (1 or B, N, 2 or 6)
        driving: Tensor,  # (B, N, 2 or 6)
    ) -> Tensor:  # (B, N, 2 or 6)
        assert self._reference is not None
        if self.mode == "relative":
            return move_by(source, driving, self._reference, self._size)
        return transfer_keypoints(self.mode, source, driving, self._reference, self._avd)

    def _check(self, name: str, keypoints: Tensor, count: int | None = None) -> None:
        """Check that keypoints are like those of the source, and of one or `count` frames."""
        expected = tuple(self._source.shape[1:])
        if keypoints.ndim != 3 or tuple(keypoints.shape[1:]) != expected:
            raise ShapeError(
                f"{name}: expected (B, {', '.join(map(str, expected))}) keypoints as of the "
                f"source, got {tuple(keypoints.shape)}; detect both with the same model"
            )
        if count is not None and len(keypoints) not in (1, count):
            allowed = "1 frame" if count == 1 else f"1 or {count} frames"
            raise ShapeError(
                f"{name}: expected the keypoints of {allowed}, got {len(keypoints)}; "
                "pass one set for all frames, or one per frame"
            )
