"""The GPU engine without a GPU: interpreted kernels, compiled kernels and the fallback."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cpabmm_core.cpab import engines
from cpabmm_core.cpab.engines import plain

INTERPRETED = Path(__file__).with_name("interpreted_gpu_engine.py")
WARP = 32
POINTERS = {
    *("maps", "points", "end", "record", "gradient", "by_map", "by_point"),
    *("directions", "jacobian"),
}


@pytest.fixture
def triton() -> Any:  # noqa: ANN401  a module without types
    return pytest.importorskip("triton", reason="Triton has no build for this system")


@pytest.mark.slow
def test_kernels_equal_plain_in_the_interpreter(triton: object) -> None:
    """Triton selects its interpreter when it is imported, so this needs its own process."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(INTERPRETED)],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "skipped" not in run.stdout


@pytest.mark.parametrize(
    ("capability", "dtype"), [(80, torch.float32), (90, torch.float64)], ids=str
)
@pytest.mark.parametrize("name", ["carry", "pull_back", "differentiate"])
def test_kernels_compile_without_a_gpu(
    triton: Any,  # noqa: ANN401
    name: str,
    capability: int,
    dtype: torch.dtype,
) -> None:
    """The machine code for Ampere and Hopper has no register spills.

    Spills would appear as a stack, and a program of one warp needs no shared memory.
    """
    compiler = pytest.importorskip("triton.backends.compiler")
    if "nvidia" not in triton.backends.backends:
        pytest.skip("this build of Triton does not compile for NVIDIA's devices")
    from cpabmm_core.cpab.engines import gpu, gpu_kernels

    kernel = getattr(gpu_kernels, name)
    constants = gpu.PRECISION[dtype]._asdict() | {"BLOCK": WARP}
    element = "*fp32" if dtype == torch.float32 else "*fp64"
    types = {argument: element if argument in POINTERS else "i32" for argument in kernel.arg_names}
    compiled = triton.compile(
        triton.compiler.ASTSource(kernel, types | dict.fromkeys(constants, "constexpr"), constants),
        target=compiler.GPUTarget("cuda", capability, WARP),
        options={"num_warps": 1, "enable_fp_fusion": True},
    )
    assert compiled.asm["cubin"]
    assert compiled.metadata.shared == 0
    assert ".local" not in compiled.asm["ptx"]


def test_without_triton_cuda_takes_the_plain_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    assert fresh_engine(monkeypatch) is plain


def test_without_a_c_compiler_cuda_takes_the_plain_engine(
    triton: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Triton needs a C compiler to build its driver."""

    def no_compiler(_: object) -> None:
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(type(triton.runtime.driver), "active", property(no_compiler))
    assert fresh_engine(monkeypatch) is plain


def fresh_engine(monkeypatch: pytest.MonkeyPatch) -> object:
    """Return the engine for CUDA as in a new process."""
    monkeypatch.delitem(sys.modules, f"{engines.__name__}.gpu", raising=False)
    return engines._engine.__wrapped__("gpu")
