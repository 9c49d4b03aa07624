"""Largest differences from what TPSMM's and FOMM's own code computes, tensor by tensor.

For MRAA, of whose code there are no numbers, from a second writing of its formulas.

python -m pytest -s tests/benchmarks/bench_published_parity.py
"""

from pathlib import Path

import numpy as np
import torch
from _helpers import parity

from cpabmm_core.geometry.local_affine import principal_axes


def test_parity(tmp_path: Path) -> None:
    for family, compare in (
        ("TPSMM", parity.tpsmm),
        ("FOMM", parity.fomm),
        ("MRAA, second writing", parity.mraa),
    ):
        print(f"\n| {family} | shape | largest value | largest difference |\n|---|---|---|---|")
        for name, ours, theirs in compare(tmp_path):
            shape = " x ".join(map(str, theirs.shape))
            difference = (ours - theirs).abs().max()
            print(f"| {name} | {shape} | {theirs.abs().max():.2f} | {difference:.1e} |")
            assert difference < 1e-4


def test_signs_of_principal_axes() -> None:
    """Print how often LAPACK's SVD has the signs of `principal_axes`, on 100,000 ellipses."""
    rng = np.random.default_rng(0)
    turn, long = rng.uniform(-np.pi / 2, np.pi / 2, 100_000), rng.uniform(0.01, 0.2, 100_000)
    variances = np.stack((long, long * rng.uniform(0.02, 0.98, 100_000)), axis=1)
    cosine, sine = np.cos(turn), np.sin(turn)
    axes = np.stack((cosine, -sine, sine, cosine), axis=1).reshape(-1, 2, 2)
    covariances = axes @ (variances[..., None] * axes.transpose(0, 2, 1))
    print()
    for dtype in (np.float32, np.float64):
        shapes = covariances.astype(dtype)
        ours = principal_axes(torch.from_numpy(shapes)).numpy()
        for name, found in (
            ("torch", torch.linalg.svd(torch.from_numpy(shapes))[0].numpy()),
            ("NumPy", np.linalg.svd(shapes)[0]),
        ):
            same = (np.sum(ours * found, axis=1) > 0).all(axis=1)
            print(f"{name}'s LAPACK, {dtype.__name__}: {same.mean():.2%} with equal signs")
