"""Candidate motions from two sets of keypoints."""

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from cpabmm_core.cpab import VelocitySpace, fit, transform
from cpabmm_core.geometry import local_affine
from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import from_unit_square, identity_grid, to_unit_square
from cpabmm_core.geometry.tps import fit_tps

MotionKind = Literal["cpab", "tps", "affine"]


class CandidateMotion(Protocol):
    """Backward flows that bring the source's keypoints where the driving frame has them."""

    @property
    def kind(self) -> MotionKind:
        """Name of the family of transformations."""

    @property
    def count(self) -> int:
        """Number of flows, the background's not among them."""

    @property
    def undirected(self) -> bool:
        """Whether the keypoints have frames whose axes have no direction."""

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 2 or 6) in [-1, 1], group by group
        kp_driving: Tensor,  # (B, N, 2 or 6) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Compute the flows.

        Convention: (x, y), align_corners=True; each takes driving positions to the source.
        Keypoints have frames (`geometry.local_affine`) where the candidates are affine.
        """


class AffineMotion:
    """One affine map a keypoint, from its frames: T(z) = p_S + A_S A_D^-1 (z - p_D).

    Siarohin et al., First Order Motion Model (NeurIPS 2019), section 3.1.
    """

    kind: Literal["affine"] = "affine"

    def __init__(self, keypoints: int, *, undirected: bool = False) -> None:
        """Choose what the frames tell.

        Args:
            keypoints: number of keypoints.
            undirected: the axes of the frames have no direction, see `local_affine.canonical_sign`.
        """
        self.count = keypoints
        self.undirected = undirected

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 6) in [-1, 1]
        kp_driving: Tensor,  # (B, N, 6) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Evaluate the maps; differentiable in the keypoints."""
        kp_source, kp_driving = kp_source.float(), kp_driving.float()
        start, end = (local_affine.positions(points) for points in (kp_driving, kp_source))
        matrix = local_affine.jacobian_between(kp_driving, kp_source)
        if self.undirected:
            matrix = local_affine.canonical_sign(matrix)
        grid = identity_grid(*size, device=matrix.device).flatten(0, 1)
        with autocast_off(matrix.device):
            turned = torch.matmul(grid - start[:, :, None], matrix.transpose(-1, -2))
        moved = turned + end[:, :, None]
        return moved.view(-1, self.count, *size, 2)


class TpsMotion:
    """One thin-plate spline a group of keypoints, as in TPSMM."""

    kind: Literal["tps"] = "tps"
    undirected = False

    def __init__(self, groups: int) -> None:
        self.count = groups

    def __call__(
        self,
        kp_source: Tensor,  # (B, N, 2) in [-1, 1], group by group
        kp_driving: Tensor,  # (B, N, 2) in [-1, 1]
        size: tuple[int, int],  # (h, w)
    ) -> Tensor:  # (B, count, h, w, 2) in [-1, 1]
        """Fit a spline to each group and evaluate it; differentiable in the keypoints."""
        batch = kp_driving.shape[0]
        groups = batch * self.count
        driving, source = (
            points.float().reshape(groups, -1, 2) for points in (kp_driving, kp_source)
        )
        return fit_tps(driving, source).flow(*size).view(batch, self.count, *size, 2)


class CpabMotion(nn.Module):
    """One CPAB transformation a group of keypoints, and one of all keypoints (Eq. 6).

    It has no parameters. It is a module to know training from use, which counts for ``adam``, whose
    loss is the norm of the residuals of a whole batch. The paper's code trains on batches and draws
    and reconstructs frame by frame; here the frames of a batch share a norm in training only, so
    that a picture does not depend on the frames that happen to be drawn with it.
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
        """Choose the spaces and the fit.

        Args:
            groups: number of groups of keypoints.
            local_space: velocity fields of the groups' transformations.
            global_space: those of the transformation of all keypoints, which comes last; None
                leaves it out.
            solver: as in `cpab.fit`.
            iterations: upper bound of its iterations for the groups; None takes its default.
            global_iterations: the same for the transformation of all keypoints.
            implicit_gradient: let gradients reach the keypoints through the solution of the fit;
                only Gauss-Newton can.
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
        """Fit the transformations that take the driving keypoints to the source's, evaluate them.

        Without the implicit gradient the flows are detached from the keypoints.
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
