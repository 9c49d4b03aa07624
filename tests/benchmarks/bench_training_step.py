"""Time of one training step: against its plain form, and with CPAB against splines.

    python -m pytest -s tests/benchmarks/bench_training_step.py

The plain form computes the same losses with PyTorch's own operators and PyTorch's default Adam. The
steps of both sides alternate. `measure` uses the configurations for puppets. The test at full width
has the networks of TaiChiHD and the pixel loss, which needs no weights, with frames of 256 x 256 in
batches of 8 on a GPU, and smaller ones on a CPU.
"""

import statistics
from collections.abc import Iterator
from time import perf_counter

import pytest
import torch
from _helpers.plain_step import plain_step
from _helpers.timed_steps import FULL_WIDTH, Steps, open_steps
from benchmarks._report import Row, alternate, print_rows

from cpabmm_core.precision import cpu_computes_bf16

INSTRUCTION_SETS = ("native", "avx2")
ROUNDS = 5
REPEATS = 3
_SPLINES = "model.motion=tps"
_BATCH = {64: 8, 128: 2}
"""Pairs in a batch, by the size of the frames."""


def measure() -> list[Row]:
    """Measure steps on puppets of 64 and 128 pixels."""
    rows: list[Row] = []
    for size, batch in _BATCH.items():
        rows += _in_float32(f"puppets-{size}", f"training.batch_size={batch}")
    if torch.backends.cpu.get_cpu_capability() != "AVX2" and cpu_computes_bf16():
        with open_steps("puppets-64", ["training.mixed_precision=bf16"]) as steps:
            rows.append(_against_plain(steps, "puppets-64, training.batch_size=8, bf16"))
    return rows


def _in_float32(config: str, batch: str) -> Iterator[Row]:
    changes, name = [batch, "training.mixed_precision=no"], f"{config}, {batch}, fp32"
    with open_steps(config, changes) as cpab, open_steps(config, [*changes, _SPLINES]) as splines:
        yield _against_plain(cpab, name)
        theirs, ours = alternate([splines.take, cpab.take], repeats=REPEATS)
        note = f"CPAB takes {ours / theirs:.3f} times the time"
        yield Row(f"training step with CPAB, {name}", "splines", theirs, ours, note)


def _against_plain(steps: Steps, name: str) -> Row:
    def plain() -> None:
        with plain_step(steps.step.session.optimizer):
            steps.take()

    before, after = alternate([plain, steps.take], repeats=REPEATS)
    return Row(f"training step, {name}", "plain form", before, after)


@pytest.mark.usefixtures("all_cores")
def test_steps() -> None:
    rows = measure()
    print_rows(rows)
    assert all(row.ratio > 1 for row in rows if row.peer == "plain form")


@pytest.mark.usefixtures("all_cores")
def test_cpab_takes_at_most_10_per_cent_longer_than_splines_at_full_width() -> None:
    cuda = torch.cuda.is_available()
    size, batch = (256, 8) if cuda else (128, 4)
    changes = [
        *FULL_WIDTH,
        f"data.frame_size={size}",
        f"training.batch_size={batch}",
        # Estimate the flow of half-size frames at half their size instead of a quarter.
        f"model.dense_motion.scale_factor={0.25 if cuda else 0.5}",
    ]
    device = "cuda" if cuda else "cpu"
    with (
        open_steps("taichi-256", [*changes, _SPLINES], device=device) as splines,
        open_steps("taichi-256", changes, device=device) as cpab,
    ):
        times: dict[str, list[float]] = {"splines": [], "CPAB": []}
        for turn in range(ROUNDS + 1):
            for name, steps in (("splines", splines), ("CPAB", cpab)):
                seconds = _seconds(steps, cuda)
                if turn:
                    times[name].append(seconds)
    theirs, ours = (statistics.median(taken) for taken in times.values())
    where = "GPU" if cuda else f"{torch.get_num_threads()} threads"
    print(
        f"\n{size} x {size}, batch {batch}, {where}: splines {1 / theirs:.3f} steps/s, "
        f"CPAB {1 / ours:.3f} steps/s, {ours / theirs:.3f} times the time"
    )
    assert ours < 1.1 * theirs


def _seconds(steps: Steps, cuda: bool) -> float:
    start = perf_counter()
    steps.take()
    if cuda:
        torch.cuda.synchronize()
    return perf_counter() - start
