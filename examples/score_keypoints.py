"""Score a model's keypoints against the true joints of puppets unseen in training.

cpabmm preprocess puppets -o puppets --videos 1 --test-videos 20 --frames 40 --format strip
python examples/score_keypoints.py puppets --checkpoint puppets
"""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor

from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
from cpabmm_core.geometry import identity_grid, positions
from cpabmm_core.inference import to_model_input
from cpabmm_core.media import list_clips, open_clip
from cpabmm_core.metrics import bone_consistency, unexplained_share
from cpabmm_core.models import AnimationModel

app = typer.Typer(add_completion=False)
LIMBS = (("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "toe"))  # from the trunk
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
    output: Annotated[Path | None, typer.Option("--json", help="JSON file to write.")] = None,
) -> None:
    """Print the L1 relative to the static baseline, the groups in use, and keypoints' scores."""
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
    scores: dict[str, dict[str, Any]] = {}
    for plan, videos in sorted(by_plan.items()):
        scores[plan] = report(plan, videos)
        if plan == "quadruped":
            for title, renamed in (
                ("near and far", name_near_and_far),
                ("sides of the picture", name_picture_sides),
            ):
                name = f"{plan}, {title}"
                scores[name] = report(name, [renamed(video) for video in videos])
    if output is not None:
        document = {
            "checkpoint": checkpoint,
            "l1": float(error),
            "relative_l1": float(error / baseline),
            "groups_in_use": perplexity(weights),
            "groups": len(weights),
            "bodies": scores,
        }
        output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


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


def faces_right(video: Video) -> bool:
    """Tell whether a quadruped, which is seen from its side, faces right in the picture."""
    chest, rump = (video.joints[:, video.names.index(name), 0] for name in ("chest", "rump"))
    return bool((chest - rump).mean() > 0)


def name_near_and_far(video: Video) -> Video:
    """Rename the legs of a quadruped by their distance from the viewer.

    If it faces right, its right legs are near; if it faces left, its left legs are. Nothing in a
    picture tells left from right, so keypoints learned without labels can follow near and far legs
    only.
    """
    near, far = ("right", "left") if faces_right(video) else ("left", "right")
    return rename(video, {near: "near", far: "far"})


def name_picture_sides(video: Video) -> Video:
    """Rename near and far legs by their side of the picture instead of front and hind.

    A score that is better by these names shows keypoints that follow the legs on one side of the
    picture, whether these are front or hind legs.
    """
    right, left = ("front", "hind") if faces_right(video) else ("hind", "front")
    return rename(name_near_and_far(video), {left: "picture_left", right: "picture_right"})


def rename(video: Video, words: dict[str, str]) -> Video:
    """Return the video with words replaced in the names of its joints."""
    names = ["_".join(words.get(part, part) for part in name.split("_")) for name in video.names]
    return video._replace(names=names)


def bones_of(video: Video) -> list[tuple[str, str]]:
    """Return the bones of a body plan without its tail, which some bipeds lack."""
    legs = [
        (f"{limb}_{joint}", f"{limb}_{following}")
        for limb in sorted({name.rpartition("_")[0] for name in video.names if "_" in name})
        for chain in LIMBS
        for joint, following in pairwise(chain)
        if f"{limb}_{joint}" in video.names and f"{limb}_{following}" in video.names
    ]
    lowest = "pelvis" if video.body_plan == "biped" else "rump"
    return [(lowest, "chest"), ("chest", "head"), *legs]


def report(plan: str, videos: list[Video]) -> dict[str, Any]:
    """Print and return the scores of the videos of a body plan, by the names of their joints."""
    names = [name for name in videos[0].names if all(name in video.names for video in videos)]
    joints = [video.joints[:, [video.names.index(name) for name in names]] for video in videos]
    keypoints = [video.keypoints for video in videos]
    found = unexplained_share(keypoints, joints)
    typer.echo(f"{plan}: unexplained share {found.moving_share:.3f} of the half that moves most")
    shares = sorted(
        (float(share), name)
        for share, name, moves in zip(found.share, names, found.moving, strict=True)
        if moves
    )
    typer.echo("  " + ", ".join(f"{name} {share:.2f}" for share, name in reversed(shares)))
    bones = [pair for pair in bones_of(videos[0]) if set(pair) <= set(names)]
    indices = [[names.index(end) for end in pair] for pair in bones]
    places = bone_consistency(keypoints, joints, [indices] * len(videos))
    typer.echo(
        f"  nearest bone: the usual one in {places.share.mean():.3f} of the frames, place along it "
        f"+-{places.spread.mean():.3f}, distance {places.distance.mean():.3f} of the body"
    )
    return {
        "unexplained_share": found.moving_share,
        "joints": dict(zip(names, found.share.tolist(), strict=True)),
        "moving": [name for name, moves in zip(names, found.moving, strict=True) if moves],
        "keypoints": [
            {"bone": "-".join(bones[bone]), "share": share, "spread": spread, "distance": distance}
            for bone, share, spread, distance in zip(
                *(field.tolist() for field in places), strict=True
            )
        ],
    }


if __name__ == "__main__":
    app()
