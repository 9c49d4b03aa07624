"""Fixtures of the benchmarks."""

import os
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def all_cores() -> Iterator[None]:
    """Use all cores; the test suite uses one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(threads)
