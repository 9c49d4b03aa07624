"""Print the largest errors on the golden fields, ours and libcpab's.

python -m pytest -s tests/benchmarks/bench_cpab_accuracy.py
"""

import json
from pathlib import Path

import numpy as np
import torch

from cpabmm_core.cpab import Tessellation, VelocitySpace, transform
from cpabmm_core.cpab.space import Boundary

GOLDEN = Path(__file__).parents[1] / "golden" / "cpab"


def test_accuracy() -> None:
    arrays = np.load(GOLDEN / "transforms.npz")
    print("\n| cells | boundary | volume-preserving | libcpab | float32 | float64 |")
    print("|---|---|---|---|---|---|")
    for case in json.loads((GOLDEN / "transforms.json").read_text()):
        tag, cells = case["tag"], case["cells_per_side"]
        boundary: Boundary = "zero" if case["zero_boundary"] else "free"
        space = VelocitySpace(Tessellation(cells, cells), boundary, case["volume_preserving"])
        affine, points, truth, peer = (
            torch.from_numpy(arrays[f"{tag}_{name}"]).double()
            for name in ("affine", "points", "truth", "libcpab")
        )
        stays = ~truth.isnan().any(dim=1)
        errors = [(peer - truth)[stays].abs().max().item()]
        for dtype in (torch.float32, torch.float64):
            theta = space.coordinates(affine[None]).to(dtype)
            moved = transform(space, theta, points[None].to(dtype))[0]
            errors.append((moved - truth)[stays].abs().max().item())
        kept = "yes" if case["volume_preserving"] else "no"
        figures = " | ".join(f"{error:.1e}" for error in errors)
        print(f"| {cells} x {cells} | {boundary} | {kept} | {figures} |")
        assert errors[1] < 1e-5 < errors[0]
