"""The exponential of a 2 x 2 matrix in closed form, and its integral.

By Cayley and Hamilton every function of A is a combination of I and A. With

    phi(t) = integral of exp(s A) over s in [0, t] = F(t) I + G(t) A

a path of dx/dt = A x + b with starting velocity v0 = A x0 + b is

    x(t) = x0 + F(t) v0 + G(t) A v0,
    exp(t A) = (1 - det A G(t)) I + (F(t) + tr A G(t)) A.

What a gradient needs besides are integrals over [0, t] of products of the costate's growth
exp((t - s) A^T) with the path's 1, F(s) and G(s). As convolutions they come down to one more
function, H = G' * G, and its derivative: with * for convolution,

    F' * 1 = F,   G' * 1 = G,   F' * G = G' * F = H' - tr H,
    F' * F = G - tr (H' - tr H) - det H,   H'' = G + tr H' - det H.

(In Laplace's domain G' is 1 / p(s) with p(s) = s^2 - tr s + det, F' is (s - tr) / p(s).)

F, G and H are entire functions of the trace and the determinant alone. Summing their power series
in t, which the recurrences give, divides by no difference of eigenvalues and by no eigenvalue:
equal, near-equal, vanishing and complex eigenvalues are nothing special. The terms fall as
(t rho)^k / k!, rho being the spectral radius.
"""

import math

import torch
from torch import Tensor


def series(
    trace: Tensor,  # (...)
    determinant: Tensor,  # (...)
    order: int,
) -> Tensor:  # (order, 4, ...)
    """Coefficients of t^1 .. t^order in F, G, H' and H."""
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
    """Largest modulus of the eigenvalues."""
    half = trace / 2
    discriminant = half.square() - determinant
    real = half.abs() + discriminant.clamp_min(0).sqrt()
    return torch.where(discriminant >= 0, real, determinant.clamp_min(0).sqrt())


def order(size: float, remainder: float) -> int:
    """Degree at which the series is cut, for t times the spectral radius up to `size`.

    The first term left out, relative to what F and G begin with, is below the remainder.
    """
    terms = 3
    while 2 * size ** (terms - 1) / (terms + 1) / math.factorial(terms - 1) > remainder:
        terms += 1
    return terms
