"""Time of a training step in float32, in bfloat16, and with ``auto``.

    python -m pytest -s tests/benchmarks/bench_precision.py
    python -m tests.benchmarks precision

Each measurement is a dry run of `puppets-64` in a new process. The three precisions alternate, and
their medians are compared.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from benchmarks._report import Row

from cpabmm_core.precision import choose_precision, cpu_computes_bf16
from cpabmm_core.puppets import write_puppets

ROUNDS = 3
PRECISIONS = ("no", "bf16", "auto")


def median_seconds(
    folder: Path, rounds: int, precisions: Sequence[str] = PRECISIONS
) -> dict[str, float]:
    """Return the seconds of a training step in each precision."""
    write_puppets(folder, videos=4, test_videos=1, frames=8, size=64, seed=0, format="strip")
    times: dict[str, list[float]] = {precision: [] for precision in precisions}
    for _ in range(rounds):
        for precision, seconds in times.items():
            seconds.append(seconds_per_step(folder, precision))
    return {precision: statistics.median(seconds) for precision, seconds in times.items()}


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        seconds = median_seconds(Path(folder), rounds=1, precisions=("no", "auto"))
    chosen = choose_precision("auto", torch.device("cpu"))
    what = f"training step of puppets-64, batch 8, precision auto ({chosen})"
    return [Row(what, "float32", seconds["no"], seconds["auto"])]


def test_auto_chooses_the_faster_precision(tmp_path: Path) -> None:
    medians = median_seconds(tmp_path, ROUNDS)
    chosen = choose_precision("auto", torch.device("cpu"))
    print(
        f"\npuppets-64, batch 8, {os.cpu_count()} cores, bf16 native: "
        f"{cpu_computes_bf16()}; seconds per step: float32 {medians['no']:.3f}, "
        f"bf16 {medians['bf16']:.3f}, auto ({chosen}) {medians['auto']:.3f}; "
        f"bf16 takes {medians['bf16'] / medians['no']:.2f} of float32's time"
    )
    assert medians["auto"] < 1.2 * min(medians["no"], medians["bf16"])


def seconds_per_step(data: Path, precision: str) -> float:
    command = (sys.executable, "-m", "cpabmm_cli", "train", "--config", "puppets-64", "--dry-run")
    options = ("--json", "--device", "cpu", "--data", data, "--out", data / "run")
    settings = (f"training.mixed_precision={precision}", "training.trackers=[]")
    changes = [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run([*command, *options, *changes], capture_output=True, check=True)
    return float(json.loads(done.stdout)["seconds_per_step"])
