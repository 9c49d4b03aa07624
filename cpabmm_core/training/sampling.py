"""The random choices of a training step, independent of the number of processes."""

import numpy as np
import torch

from cpabmm_core.geometry.tps import Metric, random_tps
from cpabmm_core.losses.objective import StepSample
from cpabmm_core.models.motion import MotionKind

_STREAM = 0x5EED  # separates these random numbers from those of the data


def sample_step(
    key: tuple[int, int],
    batch: int,
    share: slice,
    candidates: int,
    dropout: float,
    device: torch.device,
    *,
    motion: MotionKind = "cpab",
    background_dropout: float = 0.0,
) -> StepSample:
    """Sample the random choices of a step and return those of one process.

    Args:
        key: seed of the run and number of the step. They determine the result.
        batch: number of pairs of all processes together.
        share: the pairs of this process.
        candidates: K, the number of candidate motions, the background first.
        dropout: probability of dropping each one but the background.
        device: device of the result. The numbers are sampled on the CPU and do not depend on it.
        motion: family of the candidate motions. Models with affine motion use the deformation of
            FOMM and MRAA, the others that of TPSMM and the paper.
        background_dropout: probability of dropping the background. The first of the other
            candidates is kept then, so that one remains.
    """
    seed = np.random.SeedSequence((_STREAM, *key)).generate_state(1, np.uint64)[0] >> 1
    generator = torch.Generator().manual_seed(int(seed))
    metric: Metric = "manhattan" if motion == "affine" else "euclidean"
    splines = random_tps(batch, metric=metric, generator=generator, device=device)
    deformation = splines[share]
    if dropout <= 0 and background_dropout <= 0:
        return StepSample(deformation, None)
    drop = torch.rand(batch, candidates, generator=generator) < dropout
    drop[:, 0] = torch.rand(batch, generator=generator) < background_dropout
    drop[:, 1] &= ~drop[:, 0]
    return StepSample(deformation, drop[share].to(device))
