"""Benchmark decoding, rendering and encoding at the same time against one after the other.

    python -m pytest -s tests/benchmarks/bench_pipeline.py
    python -m tests.benchmarks pipeline

Animates a picture with the bundled model at several sizes of driving video and result. Prints the
shares of the three steps, the frames per second of both ways, the best of three runs in turn, and
their ratio. The ratio is bounded by the share of the longest step, and by the idle cores.
"""

import tempfile
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from benchmarks._report import Row

from cpabmm_core import Animator, load_model
from cpabmm_core.arrays import Frame
from cpabmm_core.inference import AnimationStream, WriteBehind, read_ahead
from cpabmm_core.media import VideoReader, VideoWriter
from cpabmm_core.puppets import render_puppet

SIZES = [(96, 96), (480, 256), (720, 512), (1080, 1080)]
"""Side of the driving frames and of the source, in pixels."""
FRAMES, REPEATS, BATCH = 24, 3, 8


def driving_video(path: Path, side: int) -> Path:
    video = render_puppet(seed=7, index=1, split="test", frames=FRAMES, size=side)
    with VideoWriter(path, side, side, 25, Fraction(1, 25)) as writer:
        for number, frame in enumerate(video.frames):
            writer.write(frame, number)
    return path


def writer_of(path: Path, side: int) -> VideoWriter:
    return VideoWriter(path, side, side, 25, Fraction(1, 25))


def in_sequence(stream: AnimationStream, driving: Path, output: Path, side: int) -> None:
    with VideoReader(driving) as reader, writer_of(output, side) as writer:
        count = 0
        for frame in reader:
            for result in stream.push(frame.image):
                writer.write(result, count)
                count += 1
        for result in stream.flush():
            writer.write(result, count)
            count += 1


def overlapped(stream: AnimationStream, driving: Path, output: Path, side: int) -> None:
    with VideoReader(driving) as reader, writer_of(output, side) as writer:
        count = 0
        with read_ahead(reader, BATCH) as frames, WriteBehind(writer, BATCH) as behind:
            for frame in frames:
                for result in stream.push(frame.image):
                    behind.write(result, count)
                    count += 1
            for result in stream.flush():
                behind.write(result, count)
                count += 1


def shares(stream: AnimationStream, driving: Path, output: Path, side: int) -> list[float]:
    """Return the shares of decoding, rendering and encoding in the time of all three."""
    times = [time.perf_counter()]
    with VideoReader(driving) as reader:
        frames = [frame.image for frame in reader]
    times.append(time.perf_counter())
    results: list[Frame] = [out for frame in frames for out in stream.push(frame)]
    results += stream.flush()
    times.append(time.perf_counter())
    with writer_of(output, side) as writer:
        for number, result in enumerate(results):
            writer.write(result, number)
    times.append(time.perf_counter())
    steps = [end - start for start, end in pairwise(times)]
    return [step / sum(steps) for step in steps]


def both_ways(driving_side: int, side: int, folder: Path) -> tuple[list[float], float, float]:
    """Return the shares of the steps, and the best seconds in sequence and overlapped."""
    driving = driving_video(folder / "driving.mp4", driving_side)
    source = render_puppet(seed=7, index=0, split="test", frames=1, size=side).frames[0]
    animator = Animator(load_model("puppets", device="cpu"), batch_size=BATCH)
    steps = shares(animator.stream(source), driving, folder / "out.mp4", side)
    best = dict.fromkeys((in_sequence, overlapped), float("inf"))
    for _ in range(REPEATS):  # in turn, so that other load affects both equally
        for run in best:
            stream, start = animator.stream(source), time.perf_counter()
            run(stream, driving, folder / "out.mp4", side)
            best[run] = min(best[run], time.perf_counter() - start)
    return steps, best[in_sequence], best[overlapped]


def measure() -> list[Row]:
    rows = []
    for driving_side, side in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            _, one, both = both_ways(driving_side, side, Path(folder))
        what = f"{FRAMES} frames, {driving_side} to {side} px, bundled model, files included"
        rows.append(Row(what, "one step after the other", one, both))
    return rows


@pytest.mark.usefixtures("all_cores")
@pytest.mark.parametrize(("driving_side", "side"), SIZES)
def test_pipeline(driving_side: int, side: int, tmp_path: Path) -> None:
    (decode, render, encode), one, both = both_ways(driving_side, side, tmp_path)
    print(
        f"\ndriving {driving_side:4} px, result {side:4} px: decode {decode:4.0%} "
        f"render {render:4.0%} encode {encode:4.0%}; in sequence {FRAMES / one:6.2f} frames/s, "
        f"overlapped {FRAMES / both:6.2f}, ratio {one / both:.2f}"
    )
