import math

import numpy as np
import pytest
import torch
from scipy.linalg import null_space
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.cpab.sampling import sample
from cpabmm_core.cpab.space import Boundary
from cpabmm_core.errors import ConfigError

SPACES = [("free", False), ("free", True), ("zero", False), ("zero", True)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def velocities(space: VelocitySpace, theta: Tensor, points: Tensor) -> Tensor:
    """Evaluate velocities (B, P, 2) from the maps of the cells."""
    cells = space.tessellation.locate(points[:, 0], points[:, 1])
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    return torch.einsum("bpij,pj->bpi", space.affine(theta)[:, cells], homogeneous)


@pytest.mark.parametrize(("boundary", "volume_preserving"), SPACES)
def test_moments_are_those_of_the_conditioned_process(
    boundary: Boundary, volume_preserving: bool
) -> None:
    """Compare with kriging: K - K C^T (C K C^T)^-1 C K under the constraints C u = 0."""
    space = VelocitySpace(Tessellation(3, 2), boundary, volume_preserving)
    vertices = space.tessellation.vertices
    distances = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    covariance = np.kron(np.exp(-(distances**2) / (2 * 0.3**2)), np.eye(2))
    basis = space.vertex_basis.flatten(1).numpy().T
    constraints = null_space(basis.T).T
    taken = covariance @ constraints.T
    covariance -= taken @ np.linalg.solve(constraints @ taken, taken.T)
    inverse = np.linalg.pinv(basis)
    wanted = inverse @ covariance @ inverse.T

    samples = sample(
        space, 20000, length_scale=0.3, generator=seeded(), dtype=torch.float64
    ).numpy()
    seen = samples.T @ samples / len(samples)
    wanted *= np.trace(seen) / np.trace(wanted)
    variance = np.diag(wanted)
    deviation = np.sqrt((np.outer(variance, variance) + wanted**2) / len(samples))
    assert (np.abs(seen - wanted) / deviation).max() < 5
    assert (np.abs(samples.mean(axis=0)) / np.sqrt(variance / len(samples))).max() < 5


@pytest.mark.parametrize(("boundary", "volume_preserving"), SPACES)
@pytest.mark.parametrize("length_scale", [0.1, 1.0])
def test_magnitude_is_the_mean_square_velocity(
    boundary: Boundary, volume_preserving: bool, length_scale: float
) -> None:
    space = VelocitySpace(Tessellation(4, 3), boundary, volume_preserving)
    theta = sample(
        space,
        4000,
        magnitude=0.07,
        length_scale=length_scale,
        generator=seeded(),
        dtype=torch.float64,
    )
    points = torch.rand(2000, 2, generator=seeded(1), dtype=torch.float64)
    mean_square = velocities(space, theta, points).square().sum(2).mean().item()
    assert math.sqrt(mean_square) == pytest.approx(0.07, rel=0.03)


def test_the_motion_fades_towards_a_zero_boundary() -> None:
    """Near a wall the variance of the normal velocity is 1 - exp(-(d / length_scale)^2)."""
    space = VelocitySpace(Tessellation(8, 8), "zero")
    theta = sample(space, 2000, generator=seeded(), dtype=torch.float64)
    along = torch.linspace(0, 1, 33, dtype=torch.float64)
    for wall in (0.0, 1.0):
        across = torch.full_like(along, wall)
        assert velocities(space, theta, torch.stack([across, along], 1))[..., 0].abs().max() < 1e-12
        assert velocities(space, theta, torch.stack([along, across], 1))[..., 1].abs().max() < 1e-12
    near, middle = torch.tensor([[1 / 16, 0.5625], [0.5625, 0.5625]], dtype=torch.float64)
    spread = velocities(space, theta, torch.stack([near, middle]))[..., 0].square().mean(0)
    assert (spread[0] / spread[1]).item() == pytest.approx(1 - math.exp(-1 / 16), rel=0.15)


@pytest.mark.parametrize("boundary", ["free", "zero"])
def test_samples_are_divergence_free(boundary: Boundary) -> None:
    space = VelocitySpace(Tessellation(4, 4), boundary, volume_preserving=True)
    maps = space.affine(sample(space, 5, generator=seeded(), dtype=torch.float64))
    divergence = maps[..., 0, 0] + maps[..., 1, 1]
    assert divergence.abs().max() < 1e-12 * maps.abs().max()
    assert maps.abs().max() > 0.01


def test_the_length_scale_is_the_correlation_length() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    ends = torch.tensor([[0.1, 0.1], [0.9, 0.8]], dtype=torch.float64)

    def correlation(length_scale: float) -> float:
        theta = sample(
            space, 2000, length_scale=length_scale, generator=seeded(), dtype=torch.float64
        )
        first, second = velocities(space, theta, ends)[..., 0].T
        return torch.corrcoef(torch.stack([first, second]))[0, 1].item()

    assert correlation(10.0) > 0.99
    assert abs(correlation(0.05)) < 0.1


def test_a_seed_gives_the_same_theta_on_every_device_and_in_every_dtype(
    device: torch.device, dtype: torch.dtype
) -> None:
    space = VelocitySpace(Tessellation(4, 4))
    theta = sample(space, 3, generator=seeded(5), dtype=dtype, device=device)
    assert theta.dtype == dtype
    assert theta.device.type == device.type
    precise = sample(space, 3, generator=seeded(5), dtype=torch.float64)
    assert torch.equal(theta.cpu(), precise.to(dtype))  # exact: theta is computed on the CPU


def test_a_seed_determines_theta() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    untouched = torch.get_rng_state()
    theta = sample(space, 3, generator=seeded(5))
    assert torch.equal(torch.get_rng_state(), untouched)
    assert torch.equal(theta, sample(space, 3, generator=seeded(5)))
    assert not torch.equal(theta, sample(space, 3, generator=seeded(6)))
    twin = VelocitySpace(Tessellation(4, 4))
    assert torch.equal(theta, sample(twin, 3, generator=seeded(5)))
    assert not torch.equal(theta[0], theta[1])


def test_magnitude_scales_the_same_sample(device: torch.device, dtype: torch.dtype) -> None:
    space = VelocitySpace(Tessellation(2, 3))
    one, three = (
        sample(space, 2, magnitude=m, generator=seeded(), dtype=dtype, device=device)
        for m in (0.1, 0.3)
    )
    torch.testing.assert_close(three, 3 * one)
    assert (sample(space, magnitude=0.0, dtype=dtype, device=device) == 0).all()


def test_shapes() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    assert sample(space).shape == (1, space.dim)
    assert sample(space, 0).shape == (0, space.dim)
    still = VelocitySpace(Tessellation(1, 1), "zero", volume_preserving=True)
    assert sample(still, 2).shape == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": -1}, "count: expected at least 0, got -1"),
        ({"magnitude": -0.1}, "magnitude: expected a number of at least 0, got -0.1"),
        ({"magnitude": math.nan}, "magnitude: expected"),
        ({"length_scale": 0.0}, "length_scale: expected a number above 0, got 0"),
        ({"length_scale": math.inf}, "length_scale: expected"),
        ({"length_scale": 1000.0}, "suppress all motion at 1000; use a shorter one"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, float], message: str) -> None:
    space = VelocitySpace(Tessellation(2, 2), "zero")
    with pytest.raises(ConfigError, match=message):
        sample(space, **arguments)  # type: ignore[arg-type]
