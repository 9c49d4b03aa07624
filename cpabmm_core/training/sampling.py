"""The random numbers of a training step, the same however many processes share it."""

import numpy as np
import torch

from cpabmm_core.geometry.tps import Metric, random_tps
from cpabmm_core.losses.objective import Draws
from cpabmm_core.models.motion import MotionKind

_STREAM = 0x5EED  # keeps the random numbers of the steps apart from those of the data


def draw(
    key: tuple[int, int],
    batch: int,
    share: slice,
    candidates: int,
    dropout: float,
    device: torch.device,
    *,
    motion: MotionKind = "cpab",
) -> Draws:
    """Draw for a whole batch and give a process its share.

    Args:
        key: seed of the run, and number of the batch in it; they decide everything.
        batch: pairs of all processes together.
        share: those of this process.
        candidates: K, candidate motions, the background first; it is never left out.
        dropout: probability of leaving out each of the others.
        device: where the results go; the numbers are drawn on the CPU, the same for every device.
        motion: kind of the candidate motions; the deformation of a model with affine ones is that
            of FOMM and MRAA, else that of TPSMM and the paper.
    """
    seed = np.random.SeedSequence((_STREAM, *key)).generate_state(1, np.uint64)[0] >> 1
    generator = torch.Generator().manual_seed(int(seed))
    metric: Metric = "manhattan" if motion == "affine" else "euclidean"
    splines = random_tps(batch, metric=metric, generator=generator, device=device)
    deformation = splines[share]
    if dropout <= 0:
        return Draws(deformation, None)
    drop = torch.rand(batch, candidates, generator=generator) < dropout
    drop[:, 0] = False
    return Draws(deformation, drop[share].to(device))
