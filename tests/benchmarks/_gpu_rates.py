"""Rates on a GPU: frames of the networks, passes of the kernels, and whole commands."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch
from benchmarks.peer_loop import random_frames
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, sample
from cpabmm_core.cpab.engines import engine_for, plain
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.frames import to_frames
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import DTYPES, Precision

Mode = Literal["library", "eager", "channels last", "graph", "compiled"]
"""How the networks run; ``library`` is `EncodedSource.render` and `to_frames`, as in `animate`."""


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, least: float = 0.5) -> float:
    """Return the time of a call, from as many as fill `least` seconds, after two to warm up."""
    for _ in range(2):
        work()
    synchronise(device)
    count, begun = 0, perf_counter()
    while count < 3 or perf_counter() - begun < least:
        work()
        count += 1
        if count % 4 == 0:
            synchronise(device)  # else launches run far ahead of the clock
    synchronise(device)
    return (perf_counter() - begun) / count


def frame_rate(
    model: AnimationModel, device: torch.device, precision: Precision, batch: int, mode: Mode
) -> dict[str, Any]:
    """Measure driving images to finished frames of 8 bits, both on the device.

    One source is encoded before. The mode ``library`` also copies the frames to the CPU.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    model = copy.deepcopy(model).to(device)
    if mode == "channels last":
        model.to(memory_format=torch.channels_last)
    if mode == "compiled":
        compile_networks(model)
    images = random_frames(batch + 1, model.frame_size).to(device)
    work = rendering(model, images[:1], images[1:], precision, library=mode == "library")
    begun = perf_counter()
    with torch.no_grad():
        work()
        synchronise(device)
        first = perf_counter() - begun
        taken = seconds_of(captured(work) if mode == "graph" else work, device)
    return {
        "fps": round(batch / taken, 1),
        "ms_a_batch": round(1e3 * taken, 2),
        "first_seconds": round(first, 2),
        "peak_gb": round(torch.cuda.max_memory_allocated(device) / 1e9, 2)
        if device.type == "cuda"
        else None,
    }


def rendering(
    model: AnimationModel, source: Tensor, images: Tensor, precision: Precision, *, library: bool
) -> Callable[[], object]:
    """Return a function that renders the poses of images, (B, 3, S, S)."""
    inference_model = InferenceModel(model, batch_size=len(images), precision=precision)
    encoded = EncodedSource(inference_model, source)
    if library:
        keypoints = inference_model.networks.keypoints
        return lambda: to_frames(encoded.render(keypoints(images)))
    dtype = DTYPES[precision]
    with torch.no_grad(), inference_model.autocast(dtype):
        features = model.generator.encode(source)

    def work() -> Tensor:
        poses = model.keypoints(images)
        # A graph must not keep copies of weights that autocast made outside of it.
        with torch.autocast(
            images.device.type, dtype, enabled=dtype != torch.float32, cache_enabled=False
        ):
            motion = model.motion(source, encoded.keypoints, poses)
            frames = model.generate(source, motion, features)
        return (frames.float().clamp(0, 1) * 255).round().to(torch.uint8)

    return work


def compile_networks(model: AnimationModel) -> None:
    """Compile what the training compiles; the geometry has its own kernels."""
    generator = model.generator
    blocks = (*generator.down_blocks, *generator.residual_blocks, *generator.up_blocks)
    for part in (model.keypoint_detector, model.dense_motion.hourglass, generator.stem, *blocks):
        part.compile()


def captured(work: Callable[[], object]) -> Callable[[], object]:
    """Return a function that replays the work as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = work()

    def replay() -> object:
        graph.replay()
        return kept

    return replay


def pass_rates(device: torch.device, frames: int) -> dict[str, Any]:
    """Time the passes of the kernels and of `plain`; a frame has 10 grids of 64 x 64 points."""
    space = VelocitySpace(Tessellation(4, 4))
    theta = sample(
        space, 10 * frames, magnitude=0.05, generator=torch.Generator().manual_seed(0)
    ).to(device)
    axis = torch.linspace(0, 1, 64, device=device)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(1, -1, 2)
    affine, points = space.affine(theta), grid.repeat(len(theta), 1, 1)
    few, basis = points[:, ::820], space.tensor("basis", affine)
    engine, results = engine_for(points), {}
    for name, used in (("kernels", engine), ("plain", plain)):
        _, record = used.forward(space, affine, points, record=True)
        works: dict[str, Callable[[], object]] = {
            "forward": partial(used.forward, space, affine, points, record=True),
            "backward": partial(used.backward, space, affine, record, points),
            "jacobian": partial(used.jacobian, space, affine, few, basis),
        }
        for work_name, work in works.items():
            results[f"{work_name}, {name}, us"] = round(1e6 * seconds_of(work, device, 0.2), 1)
    return results


def fit_rates(device: torch.device, frames: int) -> dict[str, Any]:
    """Time the fits of frames: 10 local ones of 5 points and a global one of 50 each."""
    spaces = VelocitySpace(Tessellation(4, 4)), VelocitySpace(Tessellation(6, 6))
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(10 * frames, 5, 2, generator=generator)
    target = (0.9 * source + 0.05 + 0.003 * torch.randn(source.shape, generator=generator)).to(
        device
    )
    source = source.to(device)

    def work() -> object:
        local = fit(spaces[0], source, target).theta
        return local, fit(spaces[1], source.view(-1, 50, 2), target.view(-1, 50, 2)).theta

    results = {"eager, ms": round(1e3 * seconds_of(work, device), 2)}
    if device.type == "cuda":
        results["graph, ms"] = round(1e3 * seconds_of(captured(work), device), 2)
    return results


def command_rate(
    folder: Path, driving: Path, device: torch.device, *options: str
) -> dict[str, Any]:
    """Time `animate` with decoding and encoding, as a new process."""
    command = [sys.executable, "-m", "cpabmm_cli", "animate", str(driving), str(driving)]
    command += ["-o", str(folder / "out.mp4"), "--device", device.type, "--json", "--force"]
    begun = perf_counter()
    run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr.strip().splitlines()[-1])
    seconds = perf_counter() - begun
    frames = json.loads(run.stdout)["frames"]
    return {
        "frames": frames,
        "seconds": round(seconds, 2),
        "fps_all_in": round(frames / seconds, 1),
    }
