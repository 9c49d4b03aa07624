"""Time of one training step: against its plain form, and with CPAB against splines.

    python -m pytest -s tests/benchmarks/bench_training_step.py

The plain form computes the same losses with PyTorch's own operators, PyTorch's default Adam, and
the C library's default handling of memory, so each side runs in a process of its own. Their steps
alternate. `measure` uses the configurations for puppets. The test at full width has the networks of
TaiChiHD and the pixel loss, which needs no weights, with frames of 256 x 256 in batches of 8 on a
GPU, and smaller ones on a CPU.
"""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing
from time import perf_counter

import pytest
import torch
from _helpers.step_worker import StepWorker
from _helpers.timed_steps import FULL_WIDTH, Steps, open_steps
from benchmarks._report import Row, alternate, print_rows

from cpabmm_core.precision import cpu_computes_bf16

INSTRUCTION_SETS = ("native", "avx2")
ROUNDS = 5
REPEATS = 3
_FP32, _BF16 = "training.mixed_precision=no", "training.mixed_precision=bf16"
_SPLINES = "model.motion=tps"
_BATCH = {64: 8, 128: 4}


def measure() -> list[Row]:
    """Measure steps on puppets of 64 and 128 pixels."""
    with ExitStack() as stack:
        plain, fast, other = (
            stack.enter_context(closing(StepWorker(plain=plain))) for plain in (True, False, False)
        )
        return [*_against_plain(plain, fast), *_against_splines(fast, other)]


def _against_plain(plain: StepWorker, fast: StepWorker) -> Iterator[Row]:
    native = torch.backends.cpu.get_cpu_capability() != "AVX2" and cpu_computes_bf16()
    for size, batch in _BATCH.items():
        for precision in (_FP32, _BF16) if native and size == 64 else (_FP32,):
            for worker in (plain, fast):
                worker.open(f"puppets-{size}", [precision, f"training.batch_size={batch}"])
            before, after = alternate([plain.step, fast.step], repeats=REPEATS)
            yield Row(
                f"training step, puppets-{size}, batch {batch}, {precision.split('=')[1]}",
                "plain form",
                before,
                after,
                note=f"peak memory {fast.step():.2f} GB, plain {plain.step():.2f} GB",
            )


def _against_splines(cpab: StepWorker, splines: StepWorker) -> Iterator[Row]:
    for size, batch in _BATCH.items():
        changes = [_FP32, f"training.batch_size={batch}"]
        cpab.open(f"puppets-{size}", changes)
        splines.open(f"puppets-{size}", [*changes, _SPLINES])
        theirs, ours = alternate([splines.step, cpab.step], repeats=REPEATS)
        yield Row(
            f"training step with CPAB, puppets-{size}, batch {batch}, fp32",
            "splines",
            theirs,
            ours,
            note=f"{ours / theirs:.3f} times the time",
        )


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
