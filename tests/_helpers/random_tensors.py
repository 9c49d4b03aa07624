"""Random stand-ins for published weights."""

from collections.abc import Mapping

import torch
from torch import Tensor


def random_tensors(wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return random values for a state dict, scaled so that activations keep their magnitude."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, like in wanted.items():
        value = torch.randn(like.shape, generator=generator)
        if name.endswith("num_batches_tracked"):
            value = torch.zeros(like.shape, dtype=torch.long)
        elif name.endswith("running_var") or (like.ndim == 1 and name.endswith("weight")):
            value = 0.5 + value.abs()
        elif like.ndim > 1:
            value *= (2 / like[0].numel()) ** 0.5
        tensors[name] = value
    return tensors
