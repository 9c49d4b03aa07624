"""Score a model's keypoints against the true joints of puppets unseen in training.

cpabmm preprocess puppets -o puppets --videos 1 --test-videos 20 --frames 40 --format strip
python examples/score_keypoints.py puppets --checkpoint puppets
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from cpabmm_core import puppets
from cpabmm_core.checkpoint import find_checkpoint, open_checkpoint
from cpabmm_core.geometry import apply_affine, identity_grid, positions
from cpabmm_core.inference import to_model_input
from cpabmm_core.media import list_clips, open_clip
from cpabmm_core.metrics import bone_consistency, bone_coverage, unexplained_share
from cpabmm_core.models import AnimationModel

app = typer.Typer(add_completion=False)
ROUNDING = 0.01  # of the joints in the ground truth, in pixels
MOVING_PIXELS = 1.0  # positions that move further belong to the object


class Video(NamedTuple):
    """A model's output for one video, and the ground truth."""

    body_plan: str
    names: list[str]
    joints: Tensor  # (F, J, 2) in [-1, 1]
    bones: list[puppets.BodyBone]  # those whose joints the body has
    keypoints: Tensor  # (F, N, 2) in [-1, 1]
    weights: Tensor  # (K,) contributions where the frame moves, background first
    background: Tensor  # (2,) error of the predicted background and of one at rest, in pixels
    error: Tensor  # (F, R) L1 of the generated frames in each region, over all pixels
    baseline: Tensor  # (F, R) L1 of the static baseline


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
    weights = torch.stack([video.weights for video in every]).sum(0)[1:]
    document = {"checkpoint": checkpoint, **report_errors(checkpoint, every)}
    typer.echo(f"groups in use: {perplexity(weights):.1f} of {len(weights)}")
    scores: dict[str, dict[str, Any]] = {}
    for plan, videos in sorted(by_plan.items()):
        scores[plan] = report_errors(plan, videos) | report(plan, videos)
        if plan == "quadruped":
            for title, renamed in (
                ("near and far", name_near_and_far),
                ("sides of the picture", name_picture_sides),
            ):
                name = f"{plan}, {title}"
                scores[name] = report(name, [renamed(video) for video in videos])
    if output is not None:
        document |= {"groups_in_use": perplexity(weights), "groups": len(weights), "bodies": scores}
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
    background = model.background(source, images)
    motion = model.motion(source, keypoints[:1].expand_as(keypoints), keypoints, background)
    generated = model.generate(source, motion)
    shift = motion.deformation - identity_grid(*motion.deformation.shape[1:3])
    moving = shift.norm(dim=-1) * size / 2 > MOVING_PIXELS
    regions, scene = render_truth(truth, size)
    names = truth["joint_names"]
    return Video(
        truth["body_plan"],
        names,
        torch.tensor(truth["joints"]) * (2 / (truth["size"] - 1)) - 1,
        [b for b in puppets.body_bones(truth["body_plan"]) if {b.first, b.second} <= {*names}],
        positions(keypoints),
        motion.contribution_maps.movedim(1, -1)[moving].sum(0),
        torch.stack([corner_error(matrix, scene, size) for matrix in (background, None)]),
        *(sum_by_region((made - images).abs().mean(1), regions) for made in (generated, source)),
    )


def render_truth(
    truth: dict[str, Any], size: int
) -> tuple[Tensor, Tensor]:  # (F, H, W) labels of regions, (F, 3, 3) motion of the scene
    """Render the video again, which its truth determines, to label its pixels."""
    request = {key: truth[key] for key in ("seed", "index", "split", "frames")}
    video = puppets.render_puppet(**request, size=max(size, 32))  # the smallest that it renders
    joints = (video.joints + 0.5) * truth["size"] / video.frames.shape[1] - 0.5
    if np.abs(joints - truth["joints"]).max() > ROUNDING:
        raise typer.BadParameter(f"video {truth['index']}: rendered by another version of cpabmm")
    labels = torch.from_numpy(puppets.frame_regions(video))[:, None].float()
    labels = F.interpolate(labels, (size, size), mode="nearest-exact")[:, 0].long()
    return labels, torch.from_numpy(puppets.scene_motion(video)).float()


def corner_error(matrix: Tensor | None, scene: Tensor, size: int) -> Tensor:
    """Return the mean distance, in pixels, of moved corners of the frame from their true places."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])[None]
    moved = corners if matrix is None else apply_affine(matrix, corners)
    error: Tensor = (moved - apply_affine(scene, corners)).norm(dim=-1).mean() * (size - 1) / 2
    return error


def sum_by_region(error: Tensor, regions: Tensor) -> Tensor:
    """Split the mean of each (H, W) error map into the parts of its regions, (F, R)."""
    inside = F.one_hot(regions, len(puppets.REGIONS)).to(error)  # (F, H, W, R)
    return (error[..., None] * inside).mean((1, 2))


def perplexity(weights: Tensor) -> float:
    """Return the effective number of parts: all if their weights are equal, 1 if one dominates."""
    shares = weights / weights.sum()
    return float(torch.exp(torch.special.entr(shares).sum()))


def report_errors(title: str, videos: list[Video]) -> dict[str, Any]:
    """Print and return the error of the generated frames, its parts, and the background's."""
    error, baseline = (
        torch.cat(parts).mean(0) for parts in zip(*(video[-2:] for video in videos), strict=True)
    )
    ratio = float(error.sum() / baseline.sum())
    typer.echo(f"{title}: L1 {error.sum():.5f}, {ratio:.3f} of the static baseline")
    shares = dict(zip(puppets.REGIONS, (error / error.sum()).tolist(), strict=True))
    typer.echo("  parts of it: " + ", ".join(f"{name} {part:.2f}" for name, part in shares.items()))
    moved, still = torch.stack([video.background for video in videos]).mean(0).tolist()
    typer.echo(f"  background: corners {moved:.2f} px from the truth; at rest {still:.2f} px")
    return {
        "l1": float(error.sum()),
        "relative_l1": ratio,
        "error_shares": shares,
        "background_pixels": {"model": moved, "at_rest": still},
    }


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
    """Return the video with words replaced in the names of its joints and bones."""

    def new(name: str) -> str:
        return "_".join(words.get(part, part) for part in name.split("_"))

    bones = [
        puppets.BodyBone(new(b.name), b.part, new(b.first), new(b.second)) for b in video.bones
    ]
    return video._replace(names=[new(name) for name in video.names], bones=bones)


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
    bones = [bone for bone in videos[0].bones if {bone.first, bone.second} <= {*names}]
    indices = [[names.index(bone.first), names.index(bone.second)] for bone in bones]
    places = bone_consistency(keypoints, joints, [indices] * len(videos))
    typer.echo(
        f"  nearest bone: the usual one in {places.share.mean():.3f} of the frames, place along it "
        f"+-{places.spread.mean():.3f}, distance {places.distance.mean():.3f} of the body"
    )
    coverage = cover(videos)
    parts = {
        part: float(np.mean([share for bone, share in coverage.items() if bone.part == part]))
        for part in dict.fromkeys(bone.part for bone in coverage)
    }
    typer.echo("  coverage: " + ", ".join(f"{part} {share:.2f}" for part, share in parts.items()))
    return {
        "unexplained_share": found.moving_share,
        "joints": dict(zip(names, found.share.tolist(), strict=True)),
        "moving": [name for name, moves in zip(names, found.moving, strict=True) if moves],
        "keypoints": [
            {"bone": bones[bone].name, "share": share, "spread": spread, "distance": distance}
            for bone, share, spread, distance in zip(
                *(field.tolist() for field in places), strict=True
            )
        ],
        "coverage": {bone.name: share for bone, share in coverage.items()},
        "coverage_of_parts": parts,
    }


def cover(videos: list[Video]) -> dict[puppets.BodyBone, float]:
    """Return the coverage of each bone, averaged over the videos whose bodies have it."""
    found: dict[puppets.BodyBone, list[float]] = defaultdict(list)
    for video in videos:
        index = video.names.index
        pairs = [[index(bone.first), index(bone.second)] for bone in video.bones]
        shares = bone_coverage(video.keypoints, video.joints, pairs)
        for bone, share in zip(video.bones, shares.tolist(), strict=True):
            found[bone].append(share)
    return {bone: float(np.mean(shares)) for bone, shares in found.items()}


if __name__ == "__main__":
    app()
