"""The error of the points that a fit allows for, in the units of the points."""

import torch
from torch import Tensor

from cpabmm_core.cpab import gauss_newton
from cpabmm_core.cpab.fitting import make_problem
from cpabmm_core.cpab.space import VelocitySpace


def effective_noise(
    space: VelocitySpace,
    theta: Tensor,  # (B, dim) from `fit`
    source: Tensor,  # (B, P, 2) in the unit square
    target: Tensor,  # (B, P, 2)
    *,
    weights: Tensor | None = None,  # (B, P)
    huber: float | None = None,
    noise: float | None = None,
    length_scale: float | None = None,
) -> Tensor:  # (B,)
    """Return the standard deviation of the points' errors for which a fit is the most probable.

    The solver ``gauss-newton`` weighs squared residuals against nu times the roughness of the
    field. That ratio is the right one for independent errors with a variance of nu a^2 in each
    coordinate, if the motion is a^2 times as rough as the prior's. The fit itself estimates a^2 as
    its roughness divided by the number of parameters that the pairs determine (MacKay, "Bayesian
    Interpolation", 1992).

    The result is small compared with the motion if the fit follows the pairs. If it is as large as
    the motion, the prior dominates the fit. It grows with the fourth root of the number of pairs,
    because the fit takes the errors of neighbouring pairs to be correlated.

    Convention:
        The unit is the side of the unit square. With weights, the result is that of a pair whose
        weight is the mean of the weights, weighted by themselves.

    Args:
        space: admissible velocity fields.
        theta: the result of the fit.
        source: the points, as in `fit`.
        target: where they should go, as in `fit`.
        weights: as in `fit`.
        huber: as in `fit`.
        noise: as in `fit`.
        length_scale: as in `fit`.

    Returns:
        The standard deviation of each set, at least 0; 0 for theta = 0.

    Raises:
        ValueError: shapes, dtypes or values that do not fit.

    Example:
        >>> from cpabmm_core.cpab import Tessellation, VelocitySpace, fit
        >>> space = VelocitySpace(Tessellation(4, 4))
        >>> source = torch.tensor([[[0.3, 0.4], [0.7, 0.6], [0.4, 0.7]]])
        >>> target = source + torch.tensor([[[0.05, 0.0], [0.0, 0.05], [0.0, 0.0]]])
        >>> theta = fit(space, source, target).theta
        >>> 0 < effective_noise(space, theta, source, target).item() < 0.01
        True
    """
    problem, _ = make_problem(
        space, source, target, weights, huber, theta, noise, length_scale=length_scale
    )
    with torch.no_grad():
        eta = problem.start @ gauss_newton.precision_root(
            space, problem.start, problem.length_scale
        )
        normal, _ = gauss_newton.normal_system(problem, gauss_newton.evaluate(problem, eta))
        nu = gauss_newton.prior_weight(problem)
        # The trace of the inverse, from its symmetric factor.
        identity = torch.eye(space.dim, dtype=eta.dtype, device=eta.device).expand_as(normal)
        factor = gauss_newton.factorise(normal)
        inverse = torch.linalg.solve_triangular(factor, identity, upper=False)
        determined = space.dim - nu * inverse.square().sum((1, 2))
        roughness = eta.square().sum(1)
        variance: Tensor = nu * roughness / determined.clamp_min(torch.finfo(eta.dtype).eps)
    return variance.sqrt().to(theta)
