"""Random weights that are a function of the tensor's name, so that no file stores them."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def weights_for(name: str, shape: Sequence[int]) -> Tensor:
    """Return the tensor ``network.key`` by the rule in tests/golden/tpsmm/README.md."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var"):
        values = 1 + 0.2 * rng.random(shape)
    elif name.endswith(("running_mean", "bias")):
        values = 0.05 * rng.standard_normal(shape)
    elif len(shape) == 1:
        values = 1 + 0.05 * rng.standard_normal(shape)
    else:
        values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
