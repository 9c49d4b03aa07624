"""The exponential of a 2 x 2 matrix in closed form, and its integral.

By the Cayley-Hamilton theorem every function of A is a combination of I and A. With

    phi(t) = integral of exp(s A) over s in [0, t] = F(t) I + G(t) A

the solution of dx/dt = A x + b with initial velocity v0 = A x0 + b is

    x(t) = x0 + F(t) v0 + G(t) A v0,
    exp(t A) = (1 - det A G(t)) I + (F(t) + tr A G(t)) A.

Gradients also need the integrals over [0, t] of the products of the costate's propagator
exp((t - s) A^T) with 1, F(s) and G(s). These are convolutions, and they reduce to one more
function, H = G' * G, and its derivative. With * for convolution,

    F' * 1 = F,   G' * 1 = G,   F' * G = G' * F = H' - tr H,
    F' * F = G - tr (H' - tr H) - det H,   H'' = G + tr H' - det H.

(In the Laplace domain G' is 1 / p(s) with p(s) = s^2 - tr s + det, and F' is (s - tr) / p(s).)

F, G and H are entire functions of the trace and the determinant alone. Their power series in t
follow from recurrences that never divide by an eigenvalue or by a difference of eigenvalues, so
equal, nearly equal, zero and complex eigenvalues need no special case. The terms decrease as
(t rho)^k / k!, where rho is the spectral radius.
"""

import math

import torch
from torch import Tensor


def series(
    trace: Tensor,  # (...)
    determinant: Tensor,  # (...)
    order: int,
) -> Tensor:  # (order, 4, ...)
    """Return the coefficients of t^1 .. t^order in F, G, H' and H."""
    terms = trace.new_zeros(order, 4, *trace.shape)
    terms[0, 0] = 1.0
    for k in range(1, order):
        f, g, d, h = terms[k - 1]
        terms[k, 0] = determinant * g / -(k + 1)  # F' = 1 - det G
        terms[k, 1] = (f + trace * g) / (k + 1)  # G' = F + tr G
        terms[k, 2] = (g + trace * d - determinant * h) / (k + 1)
        terms[k, 3] = d / (k + 1)
    return terms


def spectral_radius(trace: Tensor, determinant: Tensor) -> Tensor:
    """Return the largest modulus of the eigenvalues."""
    half = trace / 2
    discriminant = half.square() - determinant
    real = half.abs() + discriminant.clamp_min(0).sqrt()
    return torch.where(discriminant >= 0, real, determinant.clamp_min(0).sqrt())


def order(size: float, remainder: float) -> int:
    """Return the degree at which to truncate the series, for t rho up to `size`.

    The first omitted term, relative to the leading terms of F and G, is below the remainder.
    """
    terms = 3
    while 2 * size ** (terms - 1) / (terms + 1) / math.factorial(terms - 1) > remainder:
        terms += 1
    return terms
