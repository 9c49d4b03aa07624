"""Threads for compiled kernels."""

import os
import sys
import threading
from typing import Any

import numba
import pytest
import torch
from numba import types

from cpabmm_core.convolution import team
from cpabmm_core.convolution.simd import ArrayOf, take_next


@numba.cfunc(types.void(ArrayOf(types.int64)))
def count(counter):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    take_next(counter)


ADDRESS: Any = count.address


@pytest.fixture(params=["OpenMP", "Python's threads"])
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "OpenMP":
        monkeypatch.setattr(team, "_open_mp", lambda: None)


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_each_thread_calls_the_function(threads: int) -> None:
    counter = torch.zeros(1, dtype=torch.int64)
    team.run_in_team(ADDRESS, counter.data_ptr(), threads)
    assert counter.item() == threads


@pytest.mark.usefixtures("_both")
def test_several_callers_at_once() -> None:
    counter = torch.zeros(1, dtype=torch.int64)

    def repeat() -> None:
        for _ in range(50):
            team.run_in_team(ADDRESS, counter.data_ptr(), 2)

    callers = [threading.Thread(target=repeat) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert counter.item() == 4 * 50 * 2


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(os, "fork"), reason="other systems use other libraries"
)
def test_pytorch_for_linux_lends_its_threads() -> None:
    assert team._open_mp() is not None
