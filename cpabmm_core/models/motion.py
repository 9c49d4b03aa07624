"""Interface of the candidate motions, which are computed from two sets of keypoints."""

from typing import Literal, Protocol

from torch import Tensor

MotionKind = Literal["cpab", "tps", "affine"]


class CandidateMotion(Protocol):
    """Computes backward flows that map the driving keypoints to the source keypoints.

    Any object with these attributes can be the `candidate_motion` of an `AnimationModel`.

    Example:
        >>> from cpabmm_core.geometry.coordinates import identity_grid
        >>> class Rest:
        ...     kind: MotionKind = "tps"
        ...     count, undirected = 1, False
        ...
        ...     def __call__(self, kp_source, kp_driving, size):
        ...         return identity_grid(*size).expand(len(kp_driving), 1, *size, 2)
        >>> motion: CandidateMotion = Rest()
    """

    @property
    def kind(self) -> MotionKind:
        """The family of transformations."""

    @property
    def count(self) -> int:
        """The number of flows, without the background's."""

    @property
    def undirected(self) -> bool:
        """Whether the keypoints have jacobians whose axes have no direction."""

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 2 or 6) in [-1, 1], group by group
        kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Compute the flows.

        Convention: (x, y), align_corners=True; each flow maps driving positions to the source.

        Args:
            kp_source: keypoints of the source, with jacobians if the candidates are affine
                (`geometry.local_affine`).
            kp_driving: keypoints of the driving frames.
            size: height and width of the flows.
        """
