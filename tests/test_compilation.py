"""Kernels that are not compiled yet: the plain engine serves, and a child process compiles."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FITS = """
import sys, time, torch
from cpabmm_core.compilation import compiling_in_background
from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.cpab.engines import CPU_KERNELS, engine_for
space = VelocitySpace(Tessellation(2, 2))
source = torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(0))
def moved():
    return transform(space, fit(space, source, source + 0.03, iterations=3).theta, source)
with compiling_in_background():
    first, engines = moved(), [engine_for(source).__name__.rpartition(".")[2]]
    deadline = time.monotonic() + 200
    while not CPU_KERNELS.ready() and time.monotonic() < deadline:
        time.sleep(0.1)
    engines.append(engine_for(source).__name__.rpartition(".")[2])
    torch.testing.assert_close(moved(), first, rtol=0, atol=1e-5)
print(*engines)
"""


CONVOLUTIONS = """
import sys, time, torch
from cpabmm_core.compilation import compiling_in_background
from cpabmm_core.convolution import convolution
torch.manual_seed(0)
conv, x = torch.nn.Conv2d(32, 32, 3, padding=1), torch.rand(1, 32, 40, 40)
fast = convolution.Convolution(conv)
def state():
    return "compiled" if "cpabmm_core.convolution.tiles" in sys.modules else "plain"
with torch.no_grad(), compiling_in_background():
    torch.testing.assert_close(fast(x), conv(x))
    states = [state()]
    deadline = time.monotonic() + 200
    while not convolution.KERNELS.ready() and time.monotonic() < deadline:
        time.sleep(0.1)
    torch.testing.assert_close(fast(x), conv(x))
    states.append(state())
print(*states)
"""


def engines(cache: Path, code: str = FITS) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
def test_the_plain_engine_serves_until_a_child_has_compiled(tmp_path: Path) -> None:
    assert engines(tmp_path) == ["plain", "cpu"]  # the cache was empty
    assert engines(tmp_path) == ["cpu", "cpu"]  # and is filled now


@pytest.mark.slow
def test_convolutions_are_plain_until_a_child_has_compiled(tmp_path: Path) -> None:
    assert engines(tmp_path, CONVOLUTIONS) == ["plain", "compiled"]
    assert engines(tmp_path, CONVOLUTIONS) == ["compiled", "compiled"]


@pytest.mark.slow
def test_without_the_context_the_first_call_waits(tmp_path: Path) -> None:
    code = FITS.replace("with compiling_in_background():", "if True:")
    assert engines(tmp_path, code) == ["cpu", "cpu"]


def test_kernels_without_a_place_for_their_cache_compile_in_every_process(tmp_path: Path) -> None:
    # For code that is in no file, Numba finds no place, as where no folder can be written.
    code = """
from cpabmm_core.compilation import cached_kernel
print(cached_kernel(nogil=True)(lambda x: x + 1)(1))
"""
    assert engines(tmp_path, code) == ["2"]
