"""The GPU engine without a GPU: interpreted and compiled kernels."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

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
    ("capability", "dtype", "count"),
    [
        (75, torch.float32, "i32"),
        (80, torch.float32, "i32"),
        (90, torch.float64, "i64"),  # more points than 2^31
        (120, torch.float32, "i32"),
    ],
    ids=["Turing", "Ampere", "Hopper float64", "Blackwell"],
)
@pytest.mark.parametrize("name", ["carry", "pull_back", "differentiate"])
def test_kernels_compile_without_a_gpu(
    triton: Any,  # noqa: ANN401
    name: str,
    capability: int,
    dtype: torch.dtype,
    count: str,
    tmp_path: Path,
) -> None:
    """The machine code spills no registers, and a program of one warp needs no shared memory."""
    compiler = pytest.importorskip("triton.backends.compiler")
    if "nvidia" not in triton.backends.backends:
        pytest.skip("this build of Triton does not compile for NVIDIA's devices")
    from cpabmm_core.cpab.engines import gpu, gpu_kernels

    kernel = getattr(gpu_kernels, name)
    block = gpu._LANES if name == "differentiate" else gpu._BLOCK
    constants = gpu.PRECISION[dtype]._asdict() | {"BLOCK": block}
    element = "*fp32" if dtype == torch.float32 else "*fp64"
    types = {argument: element if argument in POINTERS else "i32" for argument in kernel.arg_names}
    types |= {"count": count} if "count" in types else {}
    compiled = triton.compile(
        triton.compiler.ASTSource(kernel, types | dict.fromkeys(constants, "constexpr"), constants),
        target=compiler.GPUTarget("cuda", capability, WARP),
        options={"num_warps": 1, "enable_fp_fusion": True},
    )
    machine_code = tmp_path / "kernel.cubin"
    machine_code.write_bytes(compiled.asm["cubin"])
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    usage = subprocess.run(
        [tool, "-res-usage", machine_code], capture_output=True, text=True, check=True
    ).stdout
    assert "STACK:0 SHARED:0 LOCAL:0" in usage
