"""Where a model's error lies on puppets: limbs, trunk and head, the scene, and the rest.

    python tests/benchmarks/measure_error_by_part.py CHECKPOINT [--videos N]

Reconstructs test videos of `cpabmm preprocess puppets --seed 0` from their first frames. For each
part it prints the share of the error, and the error relative to that of the static baseline in the
whole frame and in this part. The *scene* is what both frames show of it, at least two pixels from
the character; the *rest* is what the character uncovers, its shadow's rim and its outline.

The last lines compare the motion of the background with the true camera, by the mean displacement
of the frame's corners.
"""

from collections import defaultdict
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from cpabmm_core import load_model
from cpabmm_core.models import AnimationModel
from cpabmm_core.puppets import PuppetVideo, render_puppet

FRAMES, EVERY = 40, 3
LIMBS = ("arm", "leg", "tail")
Sums = dict[tuple[str, str], Tensor]


def main(
    checkpoint: Annotated[str, typer.Argument(help="Name or path of a model.")] = "puppets",
    videos: Annotated[int, typer.Option(help="Number of test videos.")] = 20,
) -> None:
    """Print a Markdown table per body plan."""
    model = load_model(checkpoint, device="cpu")
    by_plan: dict[str, list[Sums]] = defaultdict(list)
    for index in range(videos):
        video = render_puppet(0, index, split="test", frames=FRAMES, size=model.frame_size)
        by_plan[video.body_plan].append(measure(model, video))
    for plan, measured in sorted(by_plan.items()):
        report(plan, {key: torch.stack([sums[key] for sums in measured]) for key in measured[0]})


@torch.inference_mode()
def measure(model: AnimationModel, video: PuppetVideo) -> Sums:
    """Return sums of absolute differences by part, and mean displacements of the corners."""
    images = torch.from_numpy(video.frames[::EVERY]).movedim(-1, 1) / 255
    source = images[:1].expand_as(images)
    keypoints, background = model.keypoints(images), model.background(source, images)
    motion = model.motion(source, keypoints[:1].expand_as(keypoints), keypoints, background)
    errors = {
        "model": (model.generate(source, motion) - images).abs().mean(1),
        "baseline": (source - images).abs().mean(1),
    }
    sums: Sums = {}
    for part, mask in part_masks(video).items():
        for name, error in errors.items():
            sums[part, name] = (error * mask).sum()
    truth = true_camera(video)
    rest = torch.eye(3).expand_as(truth)
    sums["camera", "model"] = corner_error(rest if background is None else background, truth)
    sums["camera", "baseline"] = corner_error(rest, truth)
    for name in errors:
        sums["camera", name] = sums["camera", name] * model.frame_size / 2
    return sums


def part_masks(video: PuppetVideo) -> dict[str, Tensor]:
    """Return a mask, (F, H, W), for each part of the frames."""
    layers = torch.from_numpy(video.layers[::EVERY]).long()
    limbs = [number for number, name in enumerate(video.layer_names) if name.endswith(LIMBS)]
    limb = torch.isin(layers, torch.tensor(limbs))
    body = layers >= 0
    either = (body | body[:1]).float()[:, None]
    scene = F.max_pool2d(either, 5, stride=1, padding=2)[:, 0] == 0
    rest = ~body & ~scene
    return {"limbs": limb, "trunk and head": body & ~limb, "scene": scene, "rest": rest}


def true_camera(video: PuppetVideo) -> Tensor:
    """Return the maps from each frame to the first, in [-1, 1] with align_corners=True."""
    views = F.pad(torch.from_numpy(video.camera[::EVERY]).float(), (0, 0, 0, 1))
    views[:, 2, 2] = 1
    side = video.frames.shape[1]
    half = (side - 1) / (2 * side)  # centres of pixels, in [0, 1] across the frame
    to_unit = torch.tensor([[half, 0, 0.5], [0, half, 0.5], [0, 0, 1]])
    return to_unit.inverse() @ views[:1] @ views.inverse() @ to_unit


def corner_error(found: Tensor, truth: Tensor) -> Tensor:
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]]).t()
    error: Tensor = ((found - truth) @ corners)[:, :2].norm(dim=1).mean()
    return error


def report(plan: str, sums: Sums) -> None:
    parts = [part for part, name in sums if name == "model" and part != "camera"]
    whole = {
        name: torch.stack([sums[part, name] for part in parts]).sum(0)
        for name in ("model", "baseline")
    }
    typer.echo(f"\n| {plan} | share of the error | of the baseline's | in this part |")
    typer.echo("|---|---:|---:|---:|")
    for part in parts:
        model, baseline = sums[part, "model"], sums[part, "baseline"]
        cells = (model / whole["model"], model / whole["baseline"], model / baseline)
        typer.echo(f"| {part} | " + " | ".join(f"{cell.mean():.3f}" for cell in cells) + " |")
    typer.echo(f"| all | 1 | {(whole['model'] / whole['baseline']).mean():.3f} | |")
    moved, rest = (np.mean(sums["camera", name].tolist()) for name in ("model", "baseline"))
    typer.echo(f"\ncamera: {moved:.2f} px off, {rest:.2f} px if taken to be at rest")


if __name__ == "__main__":
    typer.run(main)
