"""Score a model's keypoints against the true joints of puppets that it has not seen.

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

from cpabmm_core.checkpoint.convert import open_checkpoint
from cpabmm_core.checkpoint.load import find_checkpoint
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.geometry.local_affine import positions
from cpabmm_core.inference.frames import to_model_input
from cpabmm_core.media.clips import list_clips, open_clip
from cpabmm_core.metrics import unexplained_share
from cpabmm_core.models.animation_model import AnimationModel

app = typer.Typer(add_completion=False)
MOVING_PIXELS = 1.0  # what moves further than this is the object


class Video(NamedTuple):
    """What a model makes of a video, and what is true."""

    body_plan: str
    names: list[str]
    joints: Tensor  # (F, J, 2) in [-1, 1]
    keypoints: Tensor  # (F, N, 2) in [-1, 1]
    weights: Tensor  # (K,) of the candidate motions where the picture moves, the background first
    error: Tensor  # (F,) L1 of the drawn frames
    still: Tensor  # (F,) L1 of the first frame


@app.command()
def main(
    data: Annotated[Path, typer.Argument(help="A data set of `cpabmm preprocess puppets`.")],
    checkpoint: Annotated[str, typer.Option(help="A model by name or path.")] = "puppets",
) -> None:
    """Print L1 over standing still, the groups in use, and the unexplained share of the joints."""
    model = open_checkpoint(find_checkpoint(checkpoint)).model
    by_plan: dict[str, list[Video]] = defaultdict(list)
    for clip in list_clips(data / "test"):
        video = measure(model, clip)
        by_plan[video.body_plan].append(video)
    every = [video for videos in by_plan.values() for video in videos]
    error, still = (torch.cat(parts).mean() for parts in zip(*(v[-2:] for v in every), strict=True))
    weights = torch.stack([video.weights for video in every]).sum(0)[1:]
    typer.echo(f"{checkpoint}: L1 {error:.5f}, over standing still {error / still:.3f}")
    typer.echo(f"groups in use: {perplexity(weights):.1f} of {len(weights)}")
    for plan, videos in sorted(by_plan.items()):
        report(plan, videos)


@torch.inference_mode()
def measure(model: AnimationModel, clip: Path) -> Video:
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
    drawn = model.generate(source, motion)
    shift = motion.deformation - identity_grid(*motion.deformation.shape[1:3])
    moving = shift.norm(dim=-1) * size / 2 > MOVING_PIXELS
    return Video(
        truth["body_plan"],
        truth["joint_names"],
        torch.tensor(truth["joints"]) * (2 / (truth["size"] - 1)) - 1,
        positions(keypoints),
        motion.contribution_maps.movedim(1, -1)[moving].sum(0),
        (drawn - images).abs().mean((1, 2, 3)),
        (source - images).abs().mean((1, 2, 3)),
    )


def perplexity(weights: Tensor) -> float:
    """How many parts share a sum: their number if all are equal, 1 if one has it all."""
    shares = weights / weights.sum()
    return float(torch.exp(torch.special.entr(shares).sum()))


def report(plan: str, videos: list[Video]) -> None:
    """Print the shares of the joints that all bodies of a plan have, the largest first."""
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
