"""Measure what the source's own pixels add to an enlarged animation.

    python tests/benchmarks/measure_full_size.py [CHECKPOINT ...]

Quality: test puppets are reconstructed at 256 pixels from the first frame of each video, once by
enlarging the model's output bicubically and once with the detail of the source. PSNR is the mean
over all other frames. Sharpness is the mean square of the differences of neighbouring pixels, times
1000, also of the real frames.

Time: processor time per frame with one thread, from poses to frames in uint8, the shortest of the
repetitions; both ways alternate. Memory: the peak when a batch of 4 is rendered at 2048 pixels, in
a process of its own.
"""

import argparse
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cpabmm_core import load_model
from cpabmm_core.inference import EncodedSource, InferenceModel, add_detail, to_frames
from cpabmm_core.inference.frames import resize
from cpabmm_core.metrics import peak_signal_noise_ratio
from cpabmm_core.puppets import render_puppet

SEED, VIDEOS, FRAMES, STEP, SIZE = 20261128, 8, 20, 2, 256
SIZES = (256, 512, 1024)
BATCH, REPEATS = 4, 7
LARGEST = 2048


class Quality(NamedTuple):
    """PSNR and sharpness of one video, enlarged and with detail."""

    enlarged: float
    detailed: float
    enlarged_sharpness: float
    detailed_sharpness: float
    real_sharpness: float


def sharpness(images: Tensor) -> float:
    return 1000 * sum(images.diff(dim=axis).square().mean().item() for axis in (2, 3))


def psnr(real: Tensor, ours: Tensor) -> float:
    return peak_signal_noise_ratio(np.stack(to_frames(real)), np.stack(to_frames(ours)))


@torch.no_grad()
def measure_video(model: InferenceModel, index: int) -> Quality:
    video = render_puppet(SEED, index, split="test", frames=FRAMES, size=SIZE)
    frames = video.frames[::STEP]
    real = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    seen = model.to_input(list(frames))
    source = EncodedSource(model, seen[:1])
    enlarged, detailed = [], []
    for images in seen[1:].split(BATCH):
        background = model.model.background(source.image.expand_as(images), images)
        rendered = source.render_frames(model.model.keypoints(images), background)
        enlarged.append(resize(rendered.images, SIZE))
        detailed.append(add_detail(rendered.images, rendered.motion, source.image, real[:1]))
    results = torch.cat(enlarged), torch.cat(detailed)
    return Quality(
        *(psnr(real[1:], result) for result in results),
        *(sharpness(images) for images in (*results, real[1:])),
    )


def print_quality(name: str) -> None:
    model = InferenceModel(load_model(name, device="cpu"))
    videos = [measure_video(model, index) for index in range(VIDEOS)]
    mean = Quality(*(statistics.fmean(column) for column in zip(*videos, strict=True)))
    better = sum(video.detailed >= video.enlarged for video in videos)
    print(f"\n{model.model.frame_size} px, {VIDEOS} videos of {FRAMES // STEP} frames at {SIZE} px")
    print("| | PSNR (dB) | sharpness |\n|---|---:|---:|")
    print(f"| enlarged | {mean.enlarged:.2f} | {mean.enlarged_sharpness:.2f} |")
    print(f"| with the source's detail | {mean.detailed:.2f} | {mean.detailed_sharpness:.2f} |")
    print(f"| real frames | | {mean.real_sharpness:.2f} |")
    print(f"PSNR is higher in {better} of {VIDEOS} videos")


def prepare(model: InferenceModel, size: int) -> tuple[EncodedSource, Tensor]:
    frames = render_puppet(SEED, 0, split="test", frames=BATCH + 1, size=SIZE).frames
    poses = model.model.keypoints(model.to_input(list(frames[1:]))).detach()
    large = resize(torch.from_numpy(frames[:1]).permute(0, 3, 1, 2).float() / 255, size)
    return EncodedSource(model, model.to_input([frames[0]]), large), poses


def print_times(name: str) -> None:
    model = InferenceModel(load_model(name, device="cpu"))
    print(
        f"\n{model.model.frame_size} px, milliseconds per frame\n| | " + " | ".join(map(str, SIZES))
    )
    rows: dict[str, list[float]] = {"enlarged": [], "with the source's detail": []}
    for size in SIZES:
        source, poses = prepare(model, size)
        small = EncodedSource(model, source.image)
        taken: dict[str, list[float]] = {row: [] for row in rows}
        for _ in range(REPEATS):
            start = time.process_time()
            to_frames(resize(small.render(poses), size))
            middle = time.process_time()
            to_frames(source.render(poses))
            stop = time.process_time()
            for times, seconds in zip(taken.values(), (middle - start, stop - middle), strict=True):
                times.append(1000 * seconds / BATCH)
        for row, times in taken.items():
            rows[row].append(min(times))
    for row, times in rows.items():
        print(f"| {row} | " + " | ".join(f"{time:.0f}" for time in times) + " |")


def memory(name: str) -> tuple[int, int]:
    """Return the peaks in MB before and after rendering."""
    torch.set_num_threads(1)
    source, poses = prepare(InferenceModel(load_model(name, device="cpu")), LARGEST)
    EncodedSource(source._inference_model, source.image).render(poses)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    to_frames(source.render(poses))
    return before // 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoints", nargs="*", default=["puppets"], metavar="CHECKPOINT")
    checkpoints = parser.parse_args().checkpoints
    torch.set_num_threads(1)
    for name in checkpoints:
        print_quality(name)
        print_times(name)
        with ProcessPoolExecutor(1, get_context("spawn")) as processes:
            before, after = processes.submit(memory, name).result()
        print(f"peak memory at {LARGEST} px: {after} MB, {before} MB before")


if __name__ == "__main__":
    main()
