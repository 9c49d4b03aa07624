"""Comparison of an engine with `plain` on a small case."""

from types import ModuleType

import torch
from torch import Tensor

from cpabmm_core.cpab.engines import plain
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.tessellation import Tessellation
from cpabmm_core.geometry.autocast import autocast_off

_TRANSFORMATIONS, _POINTS = 2, 45  # on a GPU three warps: one moves points of both, one is not full
_POINTS_OF_JACOBIAN = 3  # each is a program of its own
_DIRECTIONS = 70  # more than one program of a GPU differentiates along
_VALUE = {torch.float32: 1e-4, torch.float64: 1e-9}
_DERIVATIVE = {torch.float32: 1e-2, torch.float64: 1e-6}
"""Largest differences, relative to the largest value or to 1. Rounding reaches a hundredth of them;
a wrong operation or a lost addition exceeds them."""


def disagreement(engine: ModuleType, device: torch.device, dtype: torch.dtype) -> str | None:
    """Return what the engine gets wrong on a device, or None. Waits for the device.

    Args:
        engine: a module with the functions of an engine.
        device: the device to compute on.
        dtype: float32 or float64, of the maps and the points.

    Raises:
        Exception: whatever the engine or the device raises.
    """
    shares = shares_of_bounds(engine, device, dtype)
    return next((name for name, share in shares.items() if not share <= 1), None)  # NaN too


def shares_of_bounds(
    engine: ModuleType, device: torch.device, dtype: torch.dtype
) -> dict[str, float]:
    """Return the largest differences from `plain` on the CPU in float64, relative to the bounds."""
    space = VelocitySpace(Tessellation(3, 2))
    # Independent of the modes that the caller is in.
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        autocast_off(device),
        autocast_off(torch.device("cpu")),
    ):
        case = [tensor.to(dtype) for tensor in _case(space)]
        mine = _results(engine, space, *(tensor.to(device) for tensor in case))
        true = _results(plain, space, *(tensor.double() for tensor in case))
        return {
            name: float((mine[name] - expected).abs().max() / expected.abs().max().clamp_min(1))
            / (_VALUE if name == "end points" else _DERIVATIVE)[dtype]
            for name, expected in true.items()
        }


def _case(space: VelocitySpace) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return maps, points in and around the square, gradients, and directions of the maps."""
    count = _TRANSFORMATIONS * _POINTS
    theta = _waves(_TRANSFORMATIONS, space.dim)
    index = torch.arange(1.0, count + 1, dtype=torch.float64, device="cpu")
    # Multiples of powers of the plastic number's inverse cover the square evenly.
    unit = torch.stack([index * 0.7548776662466927, index * 0.5698402909980532], dim=1) % 1
    return (
        space.affine(theta),
        (1.4 * unit - 0.2).view(_TRANSFORMATIONS, _POINTS, 2),
        _waves(_TRANSFORMATIONS, _POINTS, 2),
        _waves(_DIRECTIONS, space.tessellation.cells, 2, 3),
    )


def _waves(*shape: int) -> Tensor:
    """Return numbers in [-1, 1] that look random; a generator would depend on the version."""
    count = int(torch.Size(shape).numel())
    return (
        torch.arange(1.0, count + 1, dtype=torch.float64, device="cpu").mul(2.4).sin().view(shape)
    )


def _results(
    engine: ModuleType,
    space: VelocitySpace,
    affine: Tensor,  # (B, cells, 2, 3)
    points: Tensor,  # (B, P, 2)
    gradient: Tensor,  # (B, P, 2)
    directions: Tensor,  # (D, cells, 2, 3)
) -> dict[str, Tensor]:
    """Return the results of all functions, on the CPU in float64."""
    end, record = engine.forward(space, affine, points, record=True)
    by_map, by_point = engine.backward(space, affine, record, gradient)
    few = points[:, :_POINTS_OF_JACOBIAN]
    end_of_few, jacobian = engine.jacobian(space, affine, few, directions)
    # On an edge either cell may own the gradient of a map, but theta receives the same.
    by_theta = by_map.cpu().double().flatten(1) @ space.basis.flatten(1).T
    return {
        "end points": torch.cat([end, end_of_few], dim=1).cpu().double(),
        "gradients": torch.cat([by_theta.flatten(), by_point.flatten().cpu().double()]),
        "derivatives": jacobian.cpu().double(),
    }
