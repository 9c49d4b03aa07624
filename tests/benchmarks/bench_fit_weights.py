"""Compare meanings of the weights of a fit on real motion, for weights of several scales.

    python -m pytest -s tests/benchmarks/bench_fit_weights.py

Errors are means in pixels of a 256 x 256 image at points away from the keypoints: those of the
nearest group, the best candidate and the global transformation. "literal" multiplies the squared
residuals by the weights as given; the others divide the weights of a set by a number first: by
their mean, or such that they sum to the number of pairs that they amount to (Kish), our choice.

Weights are equal, uniformly distributed like confidences, or a softmax. In half of the rows the
keypoints have noise of a standard deviation of 0.004 / sqrt(weight), so that the weights are right;
otherwise they are meaningless.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
import torch
from _helpers.real_motion import ERRORS, load_real_motion
from torch import Tensor

from cpabmm_core.cpab import VelocitySpace, fit, fitting

DATA = Path(__file__).parents[3] / "shared" / "reference" / "fit"

Rule = Callable[[Tensor], Tensor]

NOISE = 0.004


def literal(weights: Tensor) -> Tensor:
    return weights


def by_mean(weights: Tensor) -> Tensor:
    return weights / weights.mean(dim=1, keepdim=True)


RULES: dict[str, Rule] = {
    "literal": literal,
    "mean of 1": by_mean,
    "effective pairs": fitting._relative,
}


def equal(like: Tensor, _: torch.Generator) -> Tensor:
    return torch.ones_like(like)


def confidence(like: Tensor, generator: torch.Generator) -> Tensor:
    return 0.05 + 0.95 * torch.rand(like.shape, generator=generator, dtype=like.dtype)


def softmax(like: Tensor, generator: torch.Generator) -> Tensor:
    """Weights with a mean of 1."""
    logits = 2 * torch.randn(like.shape, generator=generator, dtype=like.dtype)
    return logits.softmax(dim=1) * like.shape[1]


def fit_weighted(
    rule: Rule,
    kind: Callable[[Tensor, torch.Generator], Tensor],
    scale: float | None,
    noisy: bool,
    generator: torch.Generator,
    space: VelocitySpace,
    source: Tensor,  # (B, P, 2)
    target: Tensor,  # (B, P, 2)
) -> Tensor:  # (B, dim)
    """Fit with weights multiplied by a scale; None divides by the number of pairs."""
    weights = kind(source[..., 0], generator)
    if noisy:
        noise = torch.randn(target.shape, generator=generator, dtype=target.dtype)
        target = target + NOISE * noise / weights.sqrt()[..., None].clamp_min(0.1)
    weights = weights / weights.shape[1] if scale is None else weights * scale
    with mock.patch.object(fitting, "_relative", rule):
        return fit(space, source, target, weights=weights).theta


def test_weights() -> None:
    if not DATA.exists():
        pytest.skip(f"needs the full set of real motion in {DATA}, outside the repository")
    motion = load_real_motion(DATA)
    print(f"\n| noise | weights | scale | {' | '.join(RULES)} |\n|---|---|---|---|---|---|")
    for noisy in (False, True):
        for kind in (equal, confidence, softmax):
            for scale in (1.0, None, 0.01, 100.0):
                cells = []
                for rule in RULES.values():
                    generator = torch.Generator().manual_seed(3)
                    method = partial(fit_weighted, rule, kind, scale, noisy, generator)
                    errors = motion.errors(method)
                    cells.append(", ".join(f"{errors[name]:.3f}" for name in ERRORS))
                shown = "1/P" if scale is None else f"{scale:g}"
                noise = "yes" if noisy else "no"
                print(f"| {noise} | {kind.__name__} | {shown} | {' | '.join(cells)} |")
