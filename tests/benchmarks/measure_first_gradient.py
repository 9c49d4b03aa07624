"""Measure the gradient that the candidate motions of an untrained model send to its keypoints.

    python tests/benchmarks/measure_first_gradient.py

The error is the L1 distance between the driving frames and the sources, warped by each candidate
motion. The script prints the norm of its gradient with respect to the keypoints, and how far the
keypoints of a frame lie from their mean, in pixels.
"""

import torch
import typer
from torch import Tensor

from cpabmm_core.config import load_config
from cpabmm_core.models import AnimationModel, build_model
from cpabmm_core.puppets import render_puppet

LOCAL = "model.cpab.global_cells=null"
MOTIONS = {
    "splines": ["model.motion=tps"],
    **{f"length scale {s}": [LOCAL, f"model.cpab.length_scale={s}"] for s in (0.2, 0.5, 1, 2)},
}
PAIRS, SIZE, DISTANCE, SEEDS = 16, 64, 8, 3


def main() -> None:
    """Print one line for each motion."""
    source, driving = frame_pairs()
    for name, settings in MOTIONS.items():
        norms, spreads = zip(
            *(measure(settings, s, source, driving) for s in range(SEEDS)), strict=True
        )
        numbers = ", ".join(f"{norm:.4f}" for norm in norms)
        typer.echo(f"{name}: {numbers} (keypoints within {sum(spreads) / SEEDS:.2f} pixels)")


def frame_pairs() -> tuple[Tensor, Tensor]:  # (B, 3, H, W) each
    """Render pairs of frames of one puppet each."""
    pairs = []
    for index in range(PAIRS):
        frames = render_puppet(0, index, split="train", frames=DISTANCE + 1, size=SIZE).frames
        pairs.append(torch.stack([torch.from_numpy(frames[i]) for i in (0, DISTANCE)]))
    both = torch.stack(pairs).permute(0, 1, 4, 2, 3) / 255
    return both[:, 0], both[:, 1]


def measure(settings: list[str], seed: int, source: Tensor, driving: Tensor) -> tuple[float, float]:
    """Return the norm of the gradient, and the distance of keypoints from their mean."""
    torch.manual_seed(seed)
    model = build_model(load_config("puppets-64", settings)).eval()
    with torch.no_grad():
        kp_source, kp_driving = model.keypoints(torch.cat([source, driving])).chunk(2)
    spread = (kp_source - kp_source.mean(1, keepdim=True)).norm(dim=-1).mean() * SIZE / 2
    points = [kp_source.requires_grad_(), kp_driving.requires_grad_()]
    gradients = torch.autograd.grad(candidate_error(model, source, driving, *points), points)
    return float(torch.cat(gradients).norm()), float(spread)


def candidate_error(
    model: AnimationModel,
    source: Tensor,  # (B, 3, H, W)
    driving: Tensor,  # (B, 3, H, W)
    kp_source: Tensor,  # (B, N, 2)
    kp_driving: Tensor,  # (B, N, 2)
) -> Tensor:  # scalar
    """Return the mean error over the candidates."""
    motion = model.motion(source, kp_source, kp_driving)
    target = model.dense_motion.downsample(driving)
    error: Tensor = (motion.deformed_sources[:, 1:] - target[:, None]).abs().mean()
    return error


if __name__ == "__main__":
    typer.run(main)
