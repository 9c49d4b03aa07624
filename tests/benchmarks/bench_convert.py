"""Benchmark the conversion of full-width files: time and peak memory of the whole command.

    python -m pytest -s tests/benchmarks/bench_convert.py

The files hold random weights of the published shapes.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from _helpers.published_model import Family, published_shapes


@pytest.mark.parametrize("family", ["tpsmm", "fomm", "mraa"])
def test_convert(family: Family, tmp_path: Path) -> None:
    source, output = tmp_path / "full.pth.tar", tmp_path / "full.safetensors"
    torch.save(_networks(family), source)
    command = [sys.executable, "-m", "cpabmm_cli", "convert", str(source), "-o", str(output)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    assert status == 0
    print(
        f"\n{family}: {source.stat().st_size / 1e6:.0f} MB in {seconds:.1f} s, "
        f"{usage.ru_maxrss / 1e6:.2f} GB at the peak, {output.stat().st_size / 1e6:.0f} MB written"
    )


def _networks(family: Family) -> dict[str, dict[str, torch.Tensor]]:
    return {
        network: {
            key: torch.tensor(0) if not shape else torch.rand(shape)
            for key, shape in shapes.items()
        }
        for network, shapes in published_shapes(family).items()
    }
