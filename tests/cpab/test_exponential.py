"""The closed forms compared with matrix exponentials and integrals of SciPy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad_vec
from scipy.linalg import expm

from cpabmm_core.cpab import exponential

Array = NDArray[np.float64]

MATRICES = {
    "two real eigenvalues": [[0.7, 0.4], [0.3, -0.5]],
    "complex": [[0.2, -1.3], [0.9, 0.1]],
    "rotation": [[0.0, -1.5], [1.5, 0.0]],
    "equal, diagonal": [[0.8, 0.0], [0.0, 0.8]],
    "equal, defective": [[0.8, 1.0], [0.0, 0.8]],
    "near-equal": [[0.8, 1.0], [1e-17, 0.8 + 1e-9]],
    "near-equal, complex": [[0.8, 1.0], [-1e-15, 0.8]],
    "one zero": [[1.0, 2.0], [0.25, 0.5]],
    "nilpotent": [[0.0, 3.0], [0.0, 0.0]],
    "tiny": [[1e-9, -2e-9], [3e-9, 1e-9]],
    "zero": [[0.0, 0.0], [0.0, 0.0]],
    "opposite": [[0.0, 1.0], [4.0, 0.0]],
}


def closed_forms(matrix: Array) -> tuple[Array, float, float]:
    """Return F, G, H', H at t = 1, trace and determinant."""
    trace, determinant = np.trace(matrix), np.linalg.det(matrix)
    values = exponential.series(
        torch.tensor(trace), torch.tensor(determinant), exponential.order(2.0, 1e-16)
    ).sum(0)
    return values.numpy(), float(trace), float(determinant)


@pytest.mark.parametrize("entries", MATRICES.values(), ids=MATRICES)
def test_exponential_and_its_integral(entries: list[list[float]]) -> None:
    matrix, unit = np.array(entries), np.eye(2)
    (f, g, _, _), trace, determinant = closed_forms(matrix)
    exact = (1 - determinant * g) * unit + (f + trace * g) * matrix
    np.testing.assert_allclose(exact, expm(matrix), rtol=1e-14, atol=1e-14)
    block = np.zeros((4, 4))  # The upper right block of exp([[A, I], [0, 0]]) is the integral.
    block[:2, :2], block[:2, 2:] = matrix, unit
    np.testing.assert_allclose(f * unit + g * matrix, expm(block)[:2, 2:], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("entries", MATRICES.values(), ids=MATRICES)
def test_moments_of_the_gradient(entries: list[list[float]]) -> None:
    """The four functions give the integral of exp((1 - s) A) X phi(s) over [0, 1] for any X."""
    matrix, unit = np.array(entries), np.eye(2)
    (_, g, d, h), trace, determinant = closed_forms(matrix)
    fg = d - trace * h
    ff = g - trace * fg - determinant * h
    some = np.array([[0.3, -1.1], [0.6, 0.4]])
    parts = {(0, 0): ff, (0, 1): fg, (1, 0): fg, (1, 1): h}
    powers = (unit, matrix)
    ours = sum(value * powers[j] @ some @ powers[k] for (j, k), value in parts.items())

    def integrand(s: float) -> Array:
        block = np.zeros((4, 4))
        block[:2, :2], block[:2, 2:] = s * matrix, s * unit
        product: Array = expm((1 - s) * matrix) @ some @ expm(block)[:2, 2:]
        return product

    expected, _ = quad_vec(integrand, 0, 1, epsabs=1e-14, epsrel=1e-14)
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("entries", MATRICES.values(), ids=MATRICES)
def test_spectral_radius(entries: list[list[float]]) -> None:
    matrix = np.array(entries)
    radius = exponential.spectral_radius(
        torch.tensor(np.trace(matrix)), torch.tensor(np.linalg.det(matrix))
    )
    expected = np.abs(np.linalg.eigvals(matrix)).max()
    assert radius.item() == pytest.approx(expected, abs=3e-8)  # double roots halve the digits


@pytest.mark.parametrize("remainder", [1e-8, 1e-16])
@pytest.mark.parametrize("size", [0.05, 0.5, 2.0])
def test_the_truncation_error_is_below_the_bound(size: float, remainder: float) -> None:
    trace, determinant = torch.tensor(2 * size).double(), torch.tensor(size**2).double()
    order = exponential.order(size, remainder)
    whole = exponential.series(trace, determinant, 60)
    f, g = whole[order:, :2].sum(0)
    assert abs(f) < 3 * remainder
    assert abs(g) < 3 * remainder
