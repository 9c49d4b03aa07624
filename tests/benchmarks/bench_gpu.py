"""Everything that a GPU has to show, in one run of less than eight minutes.

    python -m pytest -s tests/benchmarks/bench_gpu.py
    PYTHONPATH=tests python -m benchmarks.bench_gpu gpu.jsonl       # names the file of the results

Correctness comes first: the CPU has the truth. Then come the kernels beside the plain engine, the
frames per second of the full-width model at 256, 384 and 512 px in three precisions, in batches of
1 to 64, run as they are, as CUDA graphs and compiled, and `animate` with decoding and encoding.
Every step ends with a line of JSON on the disk, so a run that is cut off keeps what it had
(`_steps`). The steps of most interest come first.

It runs from a source tree without installation or network. What such a machine lacks can be
unpacked beside it: `pip download -d wheels av pydantic pooch segment-anything` where there is a
network, then `pip install --no-index --no-deps --target site wheels/*` and `PYTHONPATH=tests:site`.
"""

import os
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from benchmarks import _gpu_checks as checks
from benchmarks import _gpu_rates as rates
from benchmarks._report import Machine, Row, describe_machine, print_rows
from benchmarks._steps import Steps
from benchmarks.peer_loop import random_frames, random_model, tpsmm_loop

from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.config import Config, load_config
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import DTYPES, Precision
from cpabmm_core.puppets import write_puppets

SECONDS = 450
BASELINE = "TPSMM's loop, 256, fp32"
KERNELS = "kernels, 8 frames"
MODES: tuple[rates.Mode, ...] = ("library", "eager", "channels last", "graph")


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    device: torch.device
    configuration: str = "taichi-256"
    sizes: tuple[int, ...] = (256, 384, 512)
    batches: tuple[int, ...] = (32, 8, 1, 64, 16, 2, 4)
    frames: int = 200
    """Length of the driving video."""

    def model(self, size: int) -> AnimationModel:
        """Build a model with random weights."""
        return random_model(self.configuration, f"data.frame_size={size}")

    def config(self, size: int) -> Config:
        """Return the configuration of that model."""
        return load_config(self.configuration, [f"data.frame_size={size}"])


def run_all(plan: Plan, steps: Steps) -> None:
    """Run all steps, those of most interest first."""
    device, (size, *larger) = plan.device, plan.sizes
    for name, check in checks.CHECKS.items():
        steps.run(name, partial(check, device))
    model = plan.model(size)
    with checks.exact():
        steps.run("networks, fp32", partial(checks.network_errors, model, device, torch.float32))
    steps.run("networks, TF32", partial(checks.network_errors, model, device, torch.float32))
    steps.run("networks, bf16", partial(checks.network_errors, model, device, torch.bfloat16))
    for mixed in ("no", "bf16"):
        steps.run(f"training, {mixed}", partial(checks.training_losses, device, mixed))

    def rate(
        size: int, precision: Precision, batch: int, mode: rates.Mode, needs: float = 10
    ) -> None:
        name = f"{size}, {precision}, batch {batch}, {mode}"
        work = partial(rates.frame_rate, model, device, precision, batch, mode)
        steps.run(name, work, needs=needs)

    steps.run(BASELINE, partial(baseline, model, device))
    most = plan.batches[0]
    for mode in MODES:
        rate(size, "bf16", most, mode)
    for frames in (1, 8, 64):
        steps.run(f"kernels, {frames} frames", partial(rates.pass_rates, device, frames))
        steps.run(f"fits, {frames} frames", partial(rates.fit_rates, device, frames))
    commands(plan, steps)
    for batch in plan.batches[1:]:
        rate(size, "bf16", batch, "eager")
        rate(size, "bf16", batch, "graph")
    for batch in plan.batches[:3]:
        rate(size, "fp16", batch, "eager")
        rate(size, "fp32", batch, "eager")
    rate(size, "bf16", most, "compiled", needs=150)
    for other in larger:
        model = plan.model(other)
        for precision in DTYPES:
            rate(other, precision, plan.batches[1], "eager")


def baseline(model: AnimationModel, device: torch.device) -> dict[str, float]:
    """Time the loop of TPSMM's demo on the same device."""
    source, *frames = random_frames(9, model.frame_size).to(device).split(1)
    model = model.to(device)
    seconds = rates.seconds_of(lambda: tpsmm_loop(model, source, frames), device) / len(frames)
    model.cpu()
    return {"fps": round(1 / seconds, 1)}


def commands(plan: Plan, steps: Steps) -> None:
    """Run `animate` on a video of puppets, with the bundled model and with one of full width."""
    with tempfile.TemporaryDirectory() as name:
        folder, size, most = Path(name), plan.sizes[0], plan.batches[0]
        data, checkpoint = folder / "data", folder / "full_width.safetensors"

        def write() -> dict[str, int]:
            write_puppets(
                data, videos=1, test_videos=1, frames=plan.frames, size=size, seed=0, format="mp4"
            )
            save_checkpoint(checkpoint, plan.model(size), plan.config(size), record={})
            return {"frames": plan.frames}

        steps.run("driving video", write, needs=60)
        driving = next((data / "test").glob("*.mp4"), data / "missing.mp4")
        for model in ("puppets", str(checkpoint)):
            options = ("--checkpoint", model, "--batch-size", str(most))
            work = partial(rates.command_rate, folder, driving, plan.device, *options)
            steps.run(f"animate, {Path(model).stem}, batch {most}", work, needs=40)


def machine() -> Machine:
    """Describe this machine with its GPU, which does the computing."""
    host, gpu = describe_machine(), torch.cuda.get_device_name()
    return replace(host, cpu=f"{gpu} and {host.cpu}", instruction_set=gpu)


def rows_of(steps: Steps) -> list[Row]:
    """Return what can be compared of the steps that succeeded."""
    rows = []
    if BASELINE in steps.done:
        peer = 1 / float(steps.done[BASELINE]["fps"])
        for name, result in steps.done.items():
            if name.startswith("256,") and "fps" in result:
                rows.append(Row(f"a frame, {name}", "TPSMM's loop", peer, 1 / float(result["fps"])))
    for work in ("forward", "backward", "jacobian"):
        times = steps.done.get(KERNELS, {})
        if times:
            mine, other = (float(times[f"{work}, {by}, us"]) / 1e6 for by in ("kernels", "plain"))
            rows.append(Row(f"CPAB, {work}, 8 frames", "the plain engine", other, mine))
    return rows


def measure(file: Path | None = None) -> list[Row]:
    """Run all steps on the current CUDA device."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    kept = file or Path(tempfile.gettempdir()) / f"bench_gpu_{os.getpid()}.jsonl"
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; results in {kept}")
    steps = Steps(kept, SECONDS)
    run_all(Plan(torch.device("cuda", torch.cuda.current_device())), steps)
    return rows_of(steps)


def test_everything_on_a_gpu() -> None:
    rows = measure()
    print_rows(rows)
    assert rows


if __name__ == "__main__":
    print_rows(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
