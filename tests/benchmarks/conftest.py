"""What the benchmarks share."""

import os
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def all_cores() -> Iterator[None]:
    """The test suite runs in one thread; here both sides may have the whole machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(threads)
