"""Candidate motions of CPABMM: CPAB transformations fitted to groups of keypoints."""

from typing import Literal

import torch
from torch import Tensor, nn

from cpabmm_core.cpab import VelocitySpace, fit, transform
from cpabmm_core.geometry.autocast import autocast_off
from cpabmm_core.geometry.coordinates import from_unit_square, identity_grid, to_unit_square


class CpabMotion(nn.Module):
    """One CPAB transformation per group of keypoints, and one fitted to all keypoints (Eq. 6).

    It has no parameters, but is a module because ``adam`` depends on the training mode: its loss is
    the norm of the residuals of all frames that are fitted together. As in the paper's code, these
    are the frames of a batch in training, but a single frame in eval mode. A result in eval mode
    therefore does not depend on the other frames of its batch.

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
        length_scale: float | None = None,
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
            length_scale: length scale of the smoothness prior in sides of the frame, see
                `cpab.fit`; None means its default. Only for ``gauss-newton``.
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
        self.length_scale = length_scale
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
            length_scale=self.length_scale,
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
