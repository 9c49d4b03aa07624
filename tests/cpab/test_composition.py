import numpy as np
import pytest
import torch
from _helpers.flows import AFFINE_FIELDS
from scipy.linalg import expm, logm
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform
from cpabmm_core.cpab.composition import compose
from cpabmm_core.cpab.sampling import sample
from cpabmm_core.cpab.space import Boundary

FIELDS = {field.name: field for field in AFFINE_FIELDS}
SPACES = [("free", False), ("free", True), ("zero", False), ("zero", True)]


def sample_theta(
    space: VelocitySpace, count: int = 2, magnitude: float = 0.05, seed: int = 0
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sample(space, count, magnitude=magnitude, generator=generator, dtype=torch.float64)


def random_points(batch: int, count: int = 500) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.rand(1, count, 2, generator=generator, dtype=torch.float64).expand(batch, -1, -1)


def loss(space: VelocitySpace, theta: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return the r.m.s. distance (B,) from the exact composition at random points."""
    points = random_points(len(theta))
    exact = transform(space, second, transform(space, first, points))
    return (transform(space, theta, points) - exact).square().sum(2).mean(1).sqrt()


@pytest.mark.parametrize(("boundary", "volume_preserving"), SPACES)
def test_multiples_of_one_field_add_up(boundary: Boundary, volume_preserving: bool) -> None:
    space = VelocitySpace(Tessellation(3, 4), boundary, volume_preserving)
    theta = sample_theta(space, 3, magnitude=0.1)
    result = compose(space, 0.7 * theta, -0.2 * theta)
    torch.testing.assert_close(result.theta, 0.5 * theta, atol=1e-10, rtol=0)
    assert result.residual.abs().max() < 1e-10
    assert result.converged.all()
    assert (compose(space, theta, -theta).theta.abs().max()) < 1e-10


@pytest.mark.parametrize(
    ("first", "second"), [("rotation", "shear"), ("source", "saddle"), ("saddle", "translation")]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
def test_affine_fields_compose_in_closed_form(
    first: str, second: str, dtype: torch.dtype, tolerance: float
) -> None:
    """Affine maps form a group whose logarithms lie in every free space."""
    space = VelocitySpace(Tessellation(3, 2))
    generators = np.zeros((2, 3, 3))
    generators[:, :2] = [FIELDS[name].matrix.numpy() / 2 for name in (first, second)]
    matrix = logm(expm(generators[1]) @ expm(generators[0])).real[:2]
    wanted = space.coordinates(torch.from_numpy(matrix).expand(1, space.tessellation.cells, 2, 3))
    thetas = (FIELDS[name].theta(space).to(dtype) / 2 for name in (first, second))
    result = compose(space, *thetas)
    assert (result.theta - wanted).abs().max() < tolerance
    assert result.residual.abs().max() < tolerance
    assert result.converged.all()
    assert result.theta.dtype == dtype


@pytest.mark.parametrize(("boundary", "volume_preserving"), SPACES)
@pytest.mark.parametrize("magnitude", [0.03, 0.15])
def test_nearest_to_the_exact_composition(
    boundary: Boundary, volume_preserving: bool, magnitude: float
) -> None:
    """No small change of theta is closer, also at points off the lattice."""
    space = VelocitySpace(Tessellation(4, 4), boundary, volume_preserving)
    first, second = sample_theta(space, 2, magnitude), sample_theta(space, 2, magnitude, seed=1)
    result = compose(space, first, second)
    assert result.converged.all()
    assert (result.iterations > 0).all()
    assert result.iterations.shape == (2,)
    assert (
        loss(space, result.theta, first, second) < loss(space, first + second, first, second)
    ).all()

    middles = (torch.arange(16, dtype=torch.float64) + 0.5) / 16
    lattice = torch.cartesian_prod(middles, middles).flip(1).expand(2, -1, -1)
    exact = transform(space, second, transform(space, first, lattice))
    moving = result.theta.clone().requires_grad_()
    residual = transform(space, moving, lattice) - exact
    torch.testing.assert_close(residual.detach(), result.residual)
    (slope,) = torch.autograd.grad(residual.square().sum(), moving)
    start = (first + second).requires_grad_()
    (begin,) = torch.autograd.grad((transform(space, start, lattice) - exact).square().sum(), start)
    assert (slope.norm(dim=1) < 0.02 * begin.norm(dim=1)).all()


def test_the_error_grows_with_the_square_of_the_motion() -> None:
    """The error is the commutator of the fields, which is proportional to the product of both."""
    space = VelocitySpace(Tessellation(4, 4))
    first, second = sample_theta(space, 4, 0.02), sample_theta(space, 4, 0.02, seed=1)
    whole = compose(space, first, second).residual.square().sum((1, 2)).sqrt()
    half = compose(space, first / 2, second / 2).residual.square().sum((1, 2)).sqrt()
    assert ((whole / half - 4).abs() < 0.4).all()


def test_compositions_of_a_batch_are_independent() -> None:
    space = VelocitySpace(Tessellation(3, 3))
    first, second = sample_theta(space, 3, 0.1), sample_theta(space, 3, 0.1, seed=1)
    scale = torch.tensor([[0.01], [1.0], [2.0]], dtype=torch.float64)
    together = compose(space, scale * first, scale * second)
    for b in range(3):
        alone = compose(space, (scale * first)[b : b + 1], (scale * second)[b : b + 1])
        torch.testing.assert_close(alone.theta[0], together.theta[b], atol=1e-9, rtol=0)
        assert alone.iterations[0] == together.iterations[b]


def test_extreme_fields_end_in_a_best_effort() -> None:
    """Without a bound on steps the fit would try fields that take minutes to integrate."""
    space = VelocitySpace(Tessellation(1, 1))
    first, second = sample_theta(space, 4, 3.0), sample_theta(space, 4, 3.0, seed=1)
    result = compose(space, first, second)
    assert result.theta.isfinite().all()
    assert not result.converged.all()
    assert (result.theta.norm(dim=1) < 50 * (first.norm(dim=1) + second.norm(dim=1))).all()


def test_empty_batches() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    assert compose(space, torch.zeros(0, space.dim), torch.zeros(0, space.dim)).theta.shape[0] == 0
    still = VelocitySpace(Tessellation(1, 1), "zero", volume_preserving=True)
    result = compose(still, torch.zeros(2, 0), torch.zeros(2, 0))
    assert result.theta.shape == (2, 0)
    assert result.converged.all()


def test_nan_does_not_converge() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    broken = torch.full((1, space.dim), float("nan"))
    assert not compose(space, broken, torch.zeros(1, space.dim)).converged.any()


def test_the_result_is_detached() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = sample_theta(space).requires_grad_()
    assert not compose(space, theta, theta).theta.requires_grad


def test_wrong_shapes_are_refused() -> None:
    space = VelocitySpace(Tessellation(2, 2))
    theta = torch.zeros(1, space.dim)
    with pytest.raises(ValueError, match="first and second: expected the same shape"):
        compose(space, theta, theta[0])
    with pytest.raises(ValueError, match=r"theta: expected \(B, 20\)"):
        compose(space, theta[:, :3], theta[:, :3])
