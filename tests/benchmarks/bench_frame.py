"""An animated frame: this library against TPSMM's loop, and the bundled model end to end.

    python -m pytest -s tests/benchmarks/bench_frame.py

At full width both sides have the same random weights and animate the same four frames, with the
source's encoding included. The bundled model renders a whole video through the library, from the
decoder to the encoder, after a first one that loads and compiles everything.
"""

import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import pytest
import torch
from benchmarks._report import Row, alternate, describe_machine, print_rows
from benchmarks.peer_loop import FULL_WIDTH, random_frames, random_model, tpsmm_loop
from torch import Tensor

from cpabmm_core import load_model
from cpabmm_core.inference import EncodedSource, InferenceModel, PoseTransfer, animate_file
from cpabmm_core.precision import Precision, cpu_computes_bf16

SECTION = "animated-frame"
INSTRUCTION_SETS = ("native", "avx2")
FRAMES, PEER_FRAMES = 4, 1
EXAMPLES = Path(__file__).parents[2] / "examples"
TARGET = 1 / 30
"""Seconds of a frame that a video of 30 frames/s leaves."""


@torch.no_grad()
def animate(inference_model: InferenceModel, source: Tensor, driving: Tensor) -> Tensor:
    """Render the source in the poses of the driving frames, in batches."""
    encoded = EncodedSource(inference_model, source)
    poses = PoseTransfer.for_model(inference_model.model, encoded.keypoints)
    batches = driving.split(inference_model.batch_size)
    return torch.cat(
        [encoded.render(poses.step(inference_model.networks.keypoints(b), None)) for b in batches]
    )


def precisions() -> tuple[Precision, ...]:
    """Return the precisions that this processor computes natively."""
    has_bf16 = cpu_computes_bf16() and "AVX2" not in describe_machine().instruction_set
    return ("fp32", "bf16") if has_bf16 else ("fp32",)


def full_width_rows() -> list[Row]:
    model = random_model(FULL_WIDTH)
    source, driving = random_frames(FRAMES + 1, model.frame_size).split((1, FRAMES))
    variants = [(precision, batch) for precision in precisions() for batch in (FRAMES, 1)]
    ours = [
        partial(animate, InferenceModel(model, None, batch, precision), source, driving)
        for precision, batch in variants
    ]
    peer = partial(tpsmm_loop, model, source, driving[:PEER_FRAMES])
    peer_seconds, *seconds = alternate([peer, *ours], repeats=3)
    return [
        Row(
            f"animated frame, full width, {precision}, batches of {batch}",
            "TPSMM's loop",
            peer_seconds / PEER_FRAMES,
            taken / FRAMES,
        )
        for (precision, batch), taken in zip(variants, seconds, strict=True)
    ]


def bundled_row(precision: Precision) -> Row:
    inference_model = InferenceModel(load_model("puppets", device="cpu"), precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "output.mp4")
        source, driving = (str(EXAMPLES / name) for name in ("source.png", "driving.mp4"))
        taken = []
        for _ in range(4):
            start = perf_counter()
            report = animate_file(inference_model, source, driving, output, force=True)
            taken.append((perf_counter() - start) / report.frames)
    seconds = sorted(taken[1:])[1]
    return Row(
        f"frame of the bundled model, from file to file, {precision}",
        "30 frames/s",
        TARGET,
        seconds,
        f"{1 / seconds:.1f} frames/s, {report.frames} frames",
    )


def measure() -> list[Row]:
    return [*full_width_rows(), *map(bundled_row, precisions())]


@pytest.mark.usefixtures("all_cores")
def test_frame() -> None:
    rows = measure()
    print_rows(rows)
    assert all(row.ratio > 1 for row in rows if row.peer_seconds != TARGET)
