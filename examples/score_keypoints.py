"""Score a model's keypoints against the true joints of puppets unseen in training.

cpabmm preprocess puppets -o puppets --videos 1 --test-videos 20 --frames 40 --format strip
python examples/score_keypoints.py puppets --checkpoint puppets
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from torch import Tensor

from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
from cpabmm_core.geometry import identity_grid, positions
from cpabmm_core.inference import to_model_input
from cpabmm_core.media import list_clips, open_clip
from cpabmm_core.metrics import unexplained_share
from cpabmm_core.models import AnimationModel

app = typer.Typer(add_completion=False)
MOVING_PIXELS = 1.0  # positions that move further belong to the object


class Video(NamedTuple):
    """A model's output for one video, and the ground truth."""

    body_plan: str
    names: list[str]
    joints: Tensor  # (F, J, 2) in [-1, 1]
    keypoints: Tensor  # (F, N, 2) in [-1, 1]
    weights: Tensor  # (K,) contributions where the frame moves, background first
    error: Tensor  # (F,) L1 of the generated frames
    baseline: Tensor  # (F,) L1 of the static baseline


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="Data set made by `cpabmm preprocess puppets`.")],
    checkpoint: Annotated[str, typer.Option(help="Name or path of a model.")] = "puppets",
) -> None:
    """Print the L1 relative to the static baseline, the groups in use, and unexplained shares."""
    model = open_checkpoint(find_checkpoint(checkpoint)).model
    by_plan: dict[str, list[Video]] = defaultdict(list)
    for clip in list_clips(data / "test"):
        video = evaluate(model, clip)
        by_plan[video.body_plan].append(video)
    every = [video for videos in by_plan.values() for video in videos]
    error, baseline = (
        torch.cat(parts).mean() for parts in zip(*(v[-2:] for v in every), strict=True)
    )
    weights = torch.stack([video.weights for video in every]).sum(0)[1:]
    typer.echo(f"{checkpoint}: L1 {error:.5f}, {error / baseline:.3f} of the static baseline")
    typer.echo(f"groups in use: {perplexity(weights):.1f} of {len(weights)}")
    for plan, videos in sorted(by_plan.items()):
        report(plan, videos)
        if plan == "quadruped":
            report(f"{plan}, near and far", [name_near_and_far(video) for video in videos])


@torch.inference_mode()
def evaluate(model: AnimationModel, clip: Path) -> Video:
    """Reconstruct a video from its first frame."""
    truth = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
    opened, size = open_clip(clip), model.frame_size
    frames = opened.read(range(len(opened)))
    images = torch.cat([to_model_input(frame, size, torch.device("cpu")) for frame in frames])
    keypoints = model.keypoints(images)
    source = images[:1].expand_as(images)
    motion = model.motion(
        source, keypoints[:1].expand_as(keypoints), keypoints, model.background(source, images)
    )
    generated = model.generate(source, motion)
    shift = motion.deformation - identity_grid(*motion.deformation.shape[1:3])
    moving = shift.norm(dim=-1) * size / 2 > MOVING_PIXELS
    return Video(
        truth["body_plan"],
        truth["joint_names"],
        torch.tensor(truth["joints"]) * (2 / (truth["size"] - 1)) - 1,
        positions(keypoints),
        motion.contribution_maps.movedim(1, -1)[moving].sum(0),
        (generated - images).abs().mean((1, 2, 3)),
        (source - images).abs().mean((1, 2, 3)),
    )


def perplexity(weights: Tensor) -> float:
    """Return the effective number of parts: all if their weights are equal, 1 if one dominates."""
    shares = weights / weights.sum()
    return float(torch.exp(torch.special.entr(shares).sum()))


def name_near_and_far(video: Video) -> Video:
    """Rename the legs of a quadruped by their distance from the viewer.

    A quadruped is seen from its side. If it faces right, its right legs are near; if it faces left,
    its left legs are. Nothing in a picture tells left from right, so keypoints learned without
    labels can follow near and far legs only.
    """
    forward = (
        video.joints[:, video.names.index("chest")] - video.joints[:, video.names.index("rump")]
    )
    near, far = ("right", "left") if forward[:, 0].mean() > 0 else ("left", "right")
    sides = {near: "near", far: "far"}
    names = ["_".join(sides.get(part, part) for part in name.split("_")) for name in video.names]
    return video._replace(names=names)


def report(plan: str, videos: list[Video]) -> None:
    """Print the unexplained shares of the joints common to all bodies of a plan, largest first."""
    names = [name for name in videos[0].names if all(name in video.names for video in videos)]
    joints = [video.joints[:, [video.names.index(name) for name in names]] for video in videos]
    found = unexplained_share([video.keypoints for video in videos], joints)
    typer.echo(f"{plan}: unexplained share {found.moving_share:.3f} of the half that moves most")
    shares = sorted(
        (float(share), name)
        for share, name, moves in zip(found.share, names, found.moving, strict=True)
        if moves
    )
    typer.echo("  " + ", ".join(f"{name} {share:.2f}" for share, name in reversed(shares)))


if __name__ == "__main__":
    app()
