"""A CUDA device that exists only as shapes, dtypes and devices.

PyTorch's fake tensors refuse what a device would have to wait for, such as a branch on a value, and
operands on different devices. So tests with them find what breaks on a GPU or in a CUDA graph, but
no wrong value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from cpabmm_core.cpab.engines import first_use

_ENGINE = SimpleNamespace(
    __name__="fake",
    product=lambda a, b: a @ b,
    forward=lambda _, maps, points, record: (torch.empty_like(points),) * 2,
    jacobian=lambda _, maps, points, fields: (
        torch.empty_like(points),
        points.new_empty(*points.shape, len(fields)),
    ),
)
"""An engine of CPAB without values."""


@contextmanager
def fake_cuda() -> Iterator[None]:
    """Make tensors fake, and give the CUDA device an engine."""
    # cuDNN's samplers have no shape rules for fake tensors; PyTorch's own have.
    with (
        mock.patch.object(first_use, "engine_on_cuda", return_value=_ENGINE),
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.backends.cudnn.flags(enabled=False),
    ):
        yield
