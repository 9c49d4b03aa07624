"""Correctness on a GPU: the same model and inputs on the CPU are the truth."""

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from benchmarks.peer_loop import random_frames
from torch import Tensor

from cpabmm_core import Animator, load_model
from cpabmm_core.config import load_config
from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.cpab.engines import agreement, engine_for
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.notices import show_notices
from cpabmm_core.precision import choose_precision, precision_warning
from cpabmm_core.puppets import render_puppet, write_puppets
from cpabmm_core.training.run import TrainingRun
from cpabmm_core.training.run_folder import RunFolder
from cpabmm_core.training.session import open_session
from cpabmm_core.training.step import TrainingStep


@contextmanager
def exact() -> Iterator[None]:
    """Compute float32 in float32; by default convolutions use TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def first_use_of(device: torch.device) -> dict[str, Any]:
    """Use the device for the first time in this process, and compare the kernels."""
    notices: list[str] = []
    results: dict[str, Any] = {}
    for dtype in (torch.float32, torch.float64):
        begun = perf_counter()
        with show_notices(notices.append):
            engine = engine_for(torch.zeros(1, dtype=dtype, device=device))
        name = str(dtype).removeprefix("torch.")
        results[name] = {"engine": engine.__name__, "seconds": round(perf_counter() - begun, 2)}
        results[name]["shares_of_bounds"] = agreement.shares_of_bounds(engine, device, dtype)
        begun = perf_counter()
        agreement.disagreement(engine, device, dtype)
        results[name]["check_again_seconds"] = round(perf_counter() - begun, 3)
    return {**results, "notices": notices}


def precision_of(device: torch.device) -> dict[str, Any]:
    """Choose a precision automatically."""
    begun = perf_counter()
    chosen = choose_precision("auto", device)
    seconds = round(perf_counter() - begun, 2)
    return {"auto": chosen, "warning": precision_warning("auto", device), "seconds": seconds}


def cpab_errors(device: torch.device) -> dict[str, float]:
    """Compare flows, their gradient, fits and the gradient of a fit with the CPU's."""
    errors: dict[str, float] = {}
    for cells, points in ((4, 5), (6, 50)):
        space = VelocitySpace(Tessellation(cells, cells))
        generator = torch.Generator().manual_seed(0)
        source = torch.rand(4, points, 2, generator=generator)
        target = source + 0.05 * torch.randn(4, points, 2, generator=generator)

        def results(where: torch.device, space: VelocitySpace = space) -> dict[str, Tensor]:
            a, b = source.to(where), target.to(where).requires_grad_()  # noqa: B023
            theta = fit(space, a, b, differentiable=True).theta
            end = transform(space, theta, a)
            (gradient,) = torch.autograd.grad(end.sin().sum(), b)
            return {"theta": theta.detach(), "end points": end.detach(), "gradient": gradient}

        mine, true = results(device), results(torch.device("cpu"))
        errors |= {f"{name}, {cells}x{cells}": relative(mine[name], true[name]) for name in true}
    return errors


def network_errors(
    model: AnimationModel, device: torch.device, dtype: torch.dtype
) -> dict[str, float]:
    """Compare keypoints, flows and frames with the CPU's in float32, and gradients too."""
    size = model.frame_size
    source, driving = random_frames(3, size).split([1, 2])

    def results(where: torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
        there = copy.deepcopy(model).to(where)
        a, b = source.to(where), driving.to(where)
        with torch.autocast(where.type, dtype, enabled=dtype != torch.float32):
            kp_source, kp_driving = there.keypoints(a), there.keypoints(b)
            motion = there.motion(a, kp_source, kp_driving)
            frames = there.generate(a, motion)
        frames.float().square().mean().backward()
        weight = there.generator.to_rgb.weight.grad
        first = next(there.keypoint_detector.parameters()).grad
        assert weight is not None
        assert first is not None
        return {
            "keypoints": kp_driving.detach(),
            "flow": motion.deformation.detach(),
            "frames": frames.detach(),
            "gradient of the generator": weight,
            "gradient of the keypoints": first,
        }

    mine, true = results(device, dtype), results(torch.device("cpu"), torch.float32)
    errors = {name: relative(mine[name], true[name]) for name in true}
    return errors | {"psnr": psnr(mine["frames"], true["frames"])}


def training_losses(device: torch.device, precision: str) -> dict[str, Any]:
    """Take three steps of training on the device and on the CPU in float32 from equal weights."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name, "data")
        write_puppets(data, videos=4, test_videos=1, frames=8, size=64, seed=0, format="strip")
        mine = _losses(data, Path(name, "mine"), device.type, precision)
        true = _losses(data, Path(name, "true"), "cpu", "no")
    return {"losses": mine, "losses_on_cpu": true}


def _losses(data: Path, out: Path, device: str, precision: str) -> list[float]:
    changes = ["losses.reconstruction_kind=pixel", "losses.semantic=0", "losses.structure=0"]
    changes += ["training.trackers=[]", f"training.mixed_precision={precision}"]
    changes += ["training.batch_size=4", "training.candidate_dropout.maximum=0"]
    from cpabmm_core.training.stage import own_accelerator_state

    with own_accelerator_state(), torch.random.fork_rng():
        torch.manual_seed(0)
        config = load_config("puppets-64", changes)
        run = TrainingRun(config, data, out, device=device, allow_download=False)
        session = open_session(run)
        step = TrainingStep(session, RunFolder(out), run.reporter)
        batches = iter([*session.batches(0, 1)] * 3)
        return [float(step.take(batches, number)[1].losses["loss"].detach()) for number in range(3)]


def animations(device: torch.device) -> dict[str, Any]:
    """Animate with the bundled model on the device and on the CPU."""
    video = render_puppet(seed=7, index=0, split="test", frames=9, size=128)

    def frames(where: str) -> np.ndarray[Any, Any]:
        animator = Animator(load_model("puppets", device=where), mode="relative", batch_size=4)
        return np.stack([*animator.animate(video.frames[0], video.frames[1:])])

    mine, true = frames(device.type), frames("cpu")
    return {
        "psnr": psnr(torch.from_numpy(mine) / 255, torch.from_numpy(true) / 255),
        "frames": len(mine),
    }


def relative(mine: Tensor, true: Tensor) -> float:
    """Return the largest difference relative to the largest value."""
    mine, true = mine.cpu().double(), true.cpu().double()
    return float((mine - true).abs().max() / true.abs().max())


def psnr(mine: Tensor, true: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB, at most 200."""
    error = (mine.cpu().double() - true.cpu().double()).square().mean().clamp_min(1e-20)
    return float(-10 * error.log10())


CHECKS: dict[str, Callable[[torch.device], dict[str, Any]]] = {
    "first use": first_use_of,
    "precision": precision_of,
    "cpab": cpab_errors,
    "animation": animations,
}
"""Checks that need no model of the caller."""
