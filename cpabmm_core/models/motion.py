"""Candidate motions from two sets of keypoints."""

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from cpabmm_core.cpab import VelocitySpace, fit, transform
from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.coordinates import from_unit_square, identity_grid, to_unit_square
from cpabmm_core.geometry.precision import autocast_off
from cpabmm_core.geometry.tps import fit_tps

MotionKind = Literal["cpab", "tps", "affine"]


class CandidateMotion(Protocol):
    """Computes K backward flows that map the driving keypoints to the source keypoints."""

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


class AffineMotion:
    """One affine map per keypoint, from positions p and jacobians A of source S and driving D.

    T(z) = p_S + A_S A_D^-1 (z - p_D); Siarohin et al., First Order Motion Model (NeurIPS 2019),
    section 3.1.

    Example:
        >>> from cpabmm_core.geometry.local_affine import with_frames
        >>> jacobians = torch.eye(2).expand(1, 1, 2, 2)
        >>> source = with_frames(torch.tensor([[[0.5, 0.0]]]), jacobians)
        >>> driving = with_frames(torch.tensor([[[0.0, 0.0]]]), jacobians)
        >>> AffineMotion(keypoints=1)(source, driving, (3, 3))[0, 0, 1].tolist()  # shifted by 0.5
        [[-0.5, 0.0], [0.5, 0.0], [1.5, 0.0]]
    """

    kind: Literal["affine"] = "affine"

    def __init__(self, keypoints: int, *, undirected: bool = False) -> None:
        """Set the number of maps.

        Args:
            keypoints: number of keypoints.
            undirected: the jacobians' axes have no direction, see `local_affine.undirected`.
        """
        self.count = keypoints
        self.undirected = undirected

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 6) in [-1, 1]
        kp_driving: Tensor,  # (B, N, 6) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Evaluate the maps; differentiable in the keypoints.

        Args:
            kp_source: keypoints of the source.
            kp_driving: keypoints of the driving frames.
            size: height and width of the flows.

        Returns:
            One backward flow per keypoint.
        """
        kp_source, kp_driving = kp_source.float(), kp_driving.float()
        start, end = (local_affine.positions(points) for points in (kp_driving, kp_source))
        matrix = local_affine.between(kp_driving, kp_source)
        if self.undirected:
            matrix = local_affine.undirected(matrix)
        grid = identity_grid(*size, device=matrix.device).flatten(0, 1)
        with autocast_off(matrix.device):
            turned = torch.matmul(grid - start[:, :, None], matrix.transpose(-1, -2))
        moved = turned + end[:, :, None]
        return moved.view(-1, self.count, *size, 2)


class TpsMotion:
    """One thin-plate spline per group of keypoints (Zhao and Zhang, TPSMM, CVPR 2022).

    Example:
        >>> corners = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
        >>> flow = TpsMotion(groups=1)(corners / 2, corners, (3, 3))
        >>> torch.allclose(flow[0, 0, 0, 0], torch.tensor([-0.5, -0.5]), atol=1e-4)
        True
    """

    kind: Literal["tps"] = "tps"
    undirected = False

    def __init__(self, groups: int) -> None:
        """Set the number of groups of keypoints."""
        self.count = groups

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 2) in [-1, 1], group by group
        kp_driving: Tensor,  # (B, N, 2) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Fit a spline to each group and evaluate it; differentiable in the keypoints.

        Args:
            kp_source: keypoints of the source.
            kp_driving: keypoints of the driving frames.
            size: height and width of the flows.

        Returns:
            One backward flow per group.
        """
        batch = kp_driving.shape[0]
        groups = batch * self.count
        driving, source = (
            points.float().reshape(groups, -1, 2) for points in (kp_driving, kp_source)
        )
        return fit_tps(driving, source).flow(*size).view(batch, self.count, *size, 2)


class CpabMotion(nn.Module):
    """One CPAB transformation per group of keypoints, and one fitted to all keypoints (Eq. 6).

    It has no parameters, but is a module because ``adam`` depends on the training mode. The loss of
    ``adam`` is the norm of the residuals of all frames fitted together. As in the paper's code,
    these are the frames of a batch in training, and a single frame in eval mode, so that a result
    does not depend on the other frames of its batch.

    Example:
        >>> from cpabmm_core.cpab import Tessellation
        >>> motion = CpabMotion(2, VelocitySpace(Tessellation(2, 2)), None).eval()
        >>> keypoints = torch.rand(1, 10, 2, generator=torch.Generator().manual_seed(0)) - 0.5
        >>> flow = motion(keypoints, keypoints, (4, 4))  # the same pose: nothing moves
        >>> torch.allclose(flow, identity_grid(4, 4).expand(1, 2, 4, 4, 2), atol=1e-5)
        True
    """

    kind: Literal["cpab"] = "cpab"
    undirected = False

    def __init__(
        self,
        groups: int,
        local_space: VelocitySpace,
        global_space: VelocitySpace | None,
        *,
        solver: Literal["gauss-newton", "adam"] = "gauss-newton",
        iterations: int | None = None,
        global_iterations: int | None = None,
        implicit_gradient: bool = True,
    ) -> None:
        """Set the spaces and the fit.

        Args:
            groups: number of groups of keypoints.
            local_space: velocity fields of the groups' transformations.
            global_space: velocity fields of the global transformation, fitted to all keypoints; it
                is the last candidate. None omits it.
            solver: solver of the fit, see `cpab.fit`.
            iterations: upper bound of its iterations for the groups; None means its default.
            global_iterations: the same for the global transformation.
            implicit_gradient: propagate gradients to the keypoints through the solution of the fit;
                only ``gauss-newton`` supports it.
        """
        super().__init__()
        self.groups = groups
        self.local_space = local_space
        self.global_space = global_space
        self.solver = solver
        self.iterations = iterations
        self.global_iterations = global_iterations
        self.implicit_gradient = implicit_gradient
        self.count = groups + (global_space is not None)

    def forward(
        self,
        kp_source: Tensor,  # (B, N, 2) in [-1, 1], group by group
        kp_driving: Tensor,  # (B, N, 2) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Fit transformations of the driving keypoints to the source keypoints and evaluate them.

        Without the implicit gradient, the flows are detached from the keypoints.

        Args:
            kp_source: keypoints of the source.
            kp_driving: keypoints of the driving frames.
            size: height and width of the flows.

        Returns:
            One backward flow per group, and that of the global transformation.
        """
        source, driving = (to_unit_square(points.float()) for points in (kp_source, kp_driving))
        grid = to_unit_square(identity_grid(*size, device=source.device)).view(1, -1, 2)
        with autocast_off(source.device):
            local = self._fit(self.local_space, self.groups, self.iterations, source, driving)
            flows = [self._flows(self.local_space, local, grid)]
            if self.global_space is not None:
                overall = self._fit(self.global_space, 1, self.global_iterations, source, driving)
                flows.append(self._flows(self.global_space, overall, grid))
        return from_unit_square(torch.cat(flows, dim=1)).view(-1, self.count, *size, 2)

    def _fit(
        self,
        space: VelocitySpace,
        groups: int,
        iterations: int | None,
        source: Tensor,  # (B, N, 2) in the unit square
        driving: Tensor,  # (B, N, 2)
    ) -> Tensor:  # (B, groups, dim)
        batch, points, _ = source.shape
        theta = fit(
            space,
            driving.reshape(batch * groups, points // groups, 2),
            source.reshape(batch * groups, points // groups, 2),
            solver=self.solver,
            iterations=iterations,
            differentiable=self.implicit_gradient,
            together=groups if self.solver == "adam" and not self.training else None,
        ).theta
        return theta.view(batch, groups, -1)

    @staticmethod
    def _flows(
        space: VelocitySpace,
        theta: Tensor,  # (B, groups, dim)
        grid: Tensor,  # (1, h * w, 2)
    ) -> Tensor:  # (B, groups, h * w, 2)
        moved = transform(space, theta.flatten(0, 1), grid.expand(theta[..., 0].numel(), -1, -1))
        return moved.view(*theta.shape[:2], -1, 2)
