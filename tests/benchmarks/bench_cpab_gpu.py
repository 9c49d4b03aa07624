"""Time CPAB on a GPU, compared with the plain engine on the same device and with lower bounds.

    python -m pytest -s tests/benchmarks/bench_cpab_gpu.py

A frame is 10 transformations (4 x 4) of a 64 x 64 grid in float32, or their fits: 10 local ones
(4 x 4) of 5 points and a global one (6 x 6) of 50. CUDA graphs exclude the
time of the host; "eager" runs without them.

The lower bound of a pass is the larger of

    bytes / bandwidth   points in and out (8 B each; forward 3, backward 3) and maps (24 B per cell;
                        backward 2), divided by the rate of a copy,
    flops / rate        steps * FLOPS per step, divided by the rate of a float32 matrix product.

The number of steps is that of the actual paths. FLOPS counts the necessary operations of a step:
two sums of the series (at the end, to find the crossed edge, and at the crossing), in the backward
pass also the moments, each with ORDER - 1 terms, and 120 operations for motion and edges, but not
the search for the crossing.
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, sample, transform
from cpabmm_core.cpab.engines import plain

gpu = pytest.importorskip(
    "cpabmm_core.cpab.engines.gpu", reason="Triton does not run here", exc_type=ImportError
)
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

FRAMES = (1, 8, 64)
REPEATS = 50
TERMS = gpu.PRECISION[torch.float32].ORDER - 1
FLOPS = {"forward": 2 * 7 * TERMS + 120, "backward": (2 * 7 + 15) * TERMS + 200}


def microseconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the device time of a call in microseconds, after a warm-up call."""
    work()
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(repeats):
        work()
    stop.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(stop)) * 1e3 / repeats


def captured(work: Callable[[], object]) -> Callable[[], object]:
    """Return a function that replays the work as a graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()  # compiles and fills caches
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def copy_rate() -> float:
    """Return the bytes read and written per microsecond."""
    source = torch.empty(1 << 28, device="cuda")
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / microseconds(lambda: target.copy_(source), 10)


def product_rate() -> float:
    """Return the float32 operations per microsecond, without TF32."""
    matrix = torch.randn(8192, 8192, device="cuda")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    duration = microseconds(lambda: matrix @ matrix, 5)
    torch.set_float32_matmul_precision(before)
    return 2 * 8192**3 / duration


def frame_grids(frames: int) -> Tensor:  # (10 frames, 4096, 2)
    axis = torch.linspace(0, 1, 64, device="cuda")
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    return grid.view(1, -1, 2).repeat(10 * frames, 1, 1)


def differentiate(space: VelocitySpace, theta: Tensor, points: Tensor) -> None:
    loss = transform(space, theta, points).square().sum()
    torch.autograd.grad(loss, theta)


def fit_frames(spaces: tuple[VelocitySpace, VelocitySpace], source: Tensor, target: Tensor) -> None:
    local, whole = spaces
    fit(local, source, target)
    fit(whole, source.view(-1, 50, 2), target.view(-1, 50, 2))


def frame_thetas(space: VelocitySpace, frames: int) -> Tensor:  # (10 frames, dim)
    generator = torch.Generator().manual_seed(0)
    return sample(space, 10 * frames, magnitude=0.05, generator=generator).cuda()


def test_passes() -> None:
    space = VelocitySpace(Tessellation(4, 4))
    bandwidth, rate = copy_rate(), product_rate()
    print(f"\n{torch.cuda.get_device_name()}, {bandwidth / 1e6:.2f} TB/s, {rate / 1e6:.1f} TFLOP/s")
    print("| pass | frames | us | eager | plain | times faster | floor: bytes | flops | share |")
    print("|---|---|---|---|---|---|---|---|---|")
    for frames in FRAMES:
        affine, points = space.affine(frame_thetas(space, frames)), frame_grids(frames)
        end, record = gpu.forward(space, affine, points, record=True)
        plain_end, rounds = plain.forward(space, affine, points, record=True)
        assert (end - plain_end).abs().max() < 1e-5
        count, steps = end[..., 0].numel(), sum(len(step.point) for step in rounds)
        for name, work, twin, maps in (
            (
                "forward",
                partial(gpu.forward, space, affine, points, record=True),
                partial(plain.forward, space, affine, points, record=True),
                1,
            ),
            (
                "backward",
                partial(gpu.backward, space, affine, record, points),
                partial(plain.backward, space, affine, rounds, points),
                2,
            ),
        ):
            ours, eager = microseconds(captured(work)), microseconds(work)
            other = microseconds(twin, 3)
            moved = 3 * 8 * count + maps * 4 * affine.numel()
            floors = moved / bandwidth, FLOPS[name] * steps / rate
            print(
                f"| {name} | {frames} | {ours:.1f} | {eager:.1f} | {other:.0f} "
                f"| {other / ours:.0f} | {floors[0]:.2f} | {floors[1]:.2f} "
                f"| {max(floors) / ours:.0%} |"
            )
            assert ours < other


def test_transform_and_its_gradient() -> None:
    """Time the public function with autograd."""
    space = VelocitySpace(Tessellation(4, 4))
    print("\n| frames | forward and gradient for theta, us |\n|---|---|")
    for frames in FRAMES:
        theta = frame_thetas(space, frames).requires_grad_()
        work = captured(partial(differentiate, space, theta, frame_grids(frames)))
        print(f"| {frames} | {microseconds(work):.1f} |")


def test_fit() -> None:
    spaces = VelocitySpace(Tessellation(4, 4)), VelocitySpace(Tessellation(6, 6))
    print("\n| frames | fits, us | eager |\n|---|---|---|")
    for frames in FRAMES:
        generator = torch.Generator().manual_seed(0)
        source = torch.rand(10 * frames, 5, 2, generator=generator)
        noise = 0.003 * torch.randn(source.shape, generator=generator)
        target = 0.9 * source + 0.05 + noise
        work = partial(fit_frames, spaces, source.cuda(), target.cuda())
        work()  # copies the constants of the spaces to the device
        torch.cuda.set_sync_debug_mode("error")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        print(f"| {frames} | {microseconds(captured(work)):.0f} | {microseconds(work, 5):.0f} |")
