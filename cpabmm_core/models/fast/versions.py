"""Versions of tensors: whether something that was made from a tensor is out of date."""

import torch
from torch import Tensor

Version = tuple[int, int, torch.dtype]
"""Address, number of changes in place, and type."""


def version_of(tensor: Tensor) -> Version:
    """Return what changes when the tensor is changed in place or replaced by another."""
    changes = 0 if tensor.is_inference() else tensor._version
    return tensor.data_ptr(), changes, tensor.dtype
