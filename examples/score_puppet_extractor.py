"""Score the extractor ``puppets`` on unseen characters.

python examples/score_puppet_extractor.py --videos 20

The script prints AKD of detected and of true joints, the errors of detected joints, and how well
embeddings distinguish characters.
"""

from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.metrics import average_keypoint_distance
from cpabmm_core.metrics.extractors import Request
from cpabmm_core.metrics.extractors.puppets import (
    JOINT_NAMES,
    PuppetExtractor,
    arrange_joints,
    open_extractor,
)
from cpabmm_core.puppets import PuppetVideo, render_puppet, render_samples

app = typer.Typer(add_completion=False)

Frames = NDArray[np.uint8]  # (F, H, W, 3)
Joints = NDArray[np.float64]  # (F, J, 2)
DELAYS = (3, 6, 12, 24)  # frames
CHARACTERS = 100
REDUCTIONS = (1.5, 2.0, 3.0, 4.0)  # of the resolution


@app.command()
def main(
    videos: Annotated[int, typer.Option(min=2, help="Number of videos to render.")] = 20,
    frames: Annotated[int, typer.Option(min=26, help="Frames per video.")] = 40,
    size: Annotated[int, typer.Option(help="Side of the frames in pixels.")] = 128,
    seed: Annotated[int, typer.Option(help="Seed of the videos.")] = 777,
) -> None:
    """Print all scores."""
    extractor = open_extractor(Request(device="cpu"))
    rendered = [
        render_puppet(seed, index, split="test", frames=frames, size=size)
        for index in range(videos)
    ]
    true = [arrange_joints(video.joints, video.joint_names) for video in rendered]
    found = [extractor.keypoints(video.frames) for video in rendered]
    report_errors(rendered, true, found)
    for delay in DELAYS:
        report_akd(f"{delay} frames later", true, found, found, delay)
    for times in REDUCTIONS:
        blurred = [extractor.keypoints(blur(video.frames, times)) for video in rendered]
        report_akd(f"6 frames later, resolution / {times}", true, found, blurred, 6)
    report_identities(extractor, seed, size)


def report_akd(
    title: str,
    true: list[Joints],
    found: list[Joints],
    generated: list[Joints],
    delay: int,  # frames
) -> None:
    """Print AKD between frames and delayed frames, of detected and of true joints."""
    expected, akd, mkr = [], [], []
    for joints, real, other in zip(true, found, generated, strict=True):
        expected.append(average_keypoint_distance(joints[:-delay], joints[delay:]).akd)
        distance = average_keypoint_distance(real[:-delay], other[delay:])
        akd.append(distance.akd)
        mkr.append(distance.mkr)
    ratio = np.mean(akd) / np.mean(expected)
    errors = np.abs(np.array(akd) / expected - 1)
    typer.echo(
        f"{title}: AKD {np.mean(akd):.3f}, by the true joints {np.mean(expected):.3f}, ratio "
        f"{ratio:.3f}; error of a video {errors.mean():.1%}, at most {errors.max():.1%}; "
        f"MKR {np.mean(mkr):.4f}"
    )


def report_errors(videos: list[PuppetVideo], true: list[Joints], found: list[Joints]) -> None:
    """Print errors of detected joints, rates of missing and invented ones, and swapped sides."""
    expected, detected = np.concatenate(true), np.concatenate(found)
    visible = np.zeros(expected.shape[:2], bool)
    start = 0
    for video in videos:
        columns = [JOINT_NAMES.index(name) for name in video.joint_names]
        visible[start : start + len(video.frames), columns] = video.visible
        start += len(video.frames)
    is_true = np.asarray(~np.isnan(expected).any(-1))
    is_found = np.asarray(~np.isnan(detected).any(-1))
    both = is_true & is_found
    error = np.where(both[..., None], np.abs(detected - expected), np.nan).mean(-1)
    seen, occluded = error[visible & both].mean(), error[both & ~visible].mean()
    missed, invented = (is_true & ~is_found).sum(), (is_found & ~is_true).sum()
    typer.echo(
        f"error of joints {np.nanmean(error):.2f} px in x and y (visible {seen:.2f}, occluded "
        f"{occluded:.2f}), median {np.nanmedian(error):.2f}, "
        f"95th percentile {np.nanquantile(error, 0.95):.2f}; "
        f"missed {missed / is_true.sum():.2%}, invented {invented / is_true.sum():.2%}"
    )
    for part in ("hand", "elbow", "toe", "knee"):
        typer.echo(
            f"  {part}: sides swapped in {swap_rate(expected, detected, part):.2%} of the pairs"
        )
    worst = sorted(zip(np.nanmean(error, 0), JOINT_NAMES, strict=True), reverse=True)
    typer.echo("  " + ", ".join(f"{name} {value:.2f}" for value, name in worst))


def swap_rate(expected: Joints, detected: Joints, part: str) -> float:
    """Return the share of pairs, more than 4 pixels apart, that fit better with sides swapped."""
    swapped, total = 0, 0
    for left, name in enumerate(JOINT_NAMES):
        if not name.endswith(f"left_{part}"):
            continue
        right = JOINT_NAMES.index(name.replace("left", "right"))
        true = expected[:, [left, right]]
        apart = np.linalg.norm(true[:, 0] - true[:, 1], axis=-1) > 4
        own = np.linalg.norm(detected[:, [left, right]] - true, axis=-1).sum(-1)
        other = np.linalg.norm(detected[:, [right, left]] - true, axis=-1).sum(-1)
        valid = apart & ~np.isnan(own)
        swapped += int((other < own)[valid].sum())
        total += int(valid.sum())
    return swapped / max(total, 1)


def report_identities(extractor: PuppetExtractor, seed: int, size: int) -> None:
    """Print squared distances of embeddings and the equal error rate of recognition."""
    frames, names = [], []
    for index in range(CHARACTERS):
        samples = render_samples(seed, index, motions=4, frames=1, size=size)
        whole = samples.frames[samples.present.all(1)]
        frames.append(whole)
        names += [index] * len(whole)
    images = np.concatenate(frames)
    sharp = extractor.embeddings(images)
    own = np.equal.outer(names, names)
    for times in (1.0, *REDUCTIONS):
        other = extractor.embeddings(blur(images, times))
        squares = ((sharp[:, None] - other) ** 2).sum(-1)
        valid = ~np.isnan(squares)
        same = squares[own & valid & ~np.eye(len(names), dtype=bool)]
        different = squares[~own & valid]
        typer.echo(
            f"identity, resolution / {times}: squared distance {same.mean():.3f} to the same "
            f"character in another motion and scene, {different.mean():.3f} to others; equal error "
            f"rate {equal_error_rate(same, different):.2%}; no puppet found in "
            f"{np.isnan(other).any(-1).mean():.1%}"
        )


def equal_error_rate(same: NDArray[np.float64], different: NDArray[np.float64]) -> float:
    """Return the error at the threshold where false rejections and acceptances are equal."""
    limits = np.quantile(np.concatenate([same, different]), np.linspace(0, 1, 2001))
    rejected = np.array([(same > limit).mean() for limit in limits])
    accepted = np.array([(different <= limit).mean() for limit in limits])
    best = int(np.abs(rejected - accepted).argmin())
    return float((rejected[best] + accepted[best]) / 2)


def blur(frames: Frames, times: float) -> Frames:
    """Reduce the frames by a factor and enlarge them again."""
    height, width = frames.shape[1:3]
    small = round(width / times), round(height / times)
    return np.stack(
        [
            np.asarray(
                Image.fromarray(frame)
                .resize(small, Image.Resampling.BOX)
                .resize((width, height), Image.Resampling.BICUBIC)
            )
            for frame in frames
        ]
    )


if __name__ == "__main__":
    app()
