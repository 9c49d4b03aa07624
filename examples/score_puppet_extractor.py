"""Score the extractor `puppets` on characters that it has not seen.

python examples/score_puppet_extractor.py --videos 20

Prints AKD by the detector beside AKD by the true joints, how far detections are off, and how well
embeddings tell characters apart.
"""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.metrics import average_keypoint_distance
from cpabmm_core.metrics.extractors.interface import Request
from cpabmm_core.metrics.extractors.puppet_joints import JOINT_NAMES, in_fixed_order
from cpabmm_core.metrics.extractors.puppets import PuppetExtractor, open_extractor
from cpabmm_core.puppets import PuppetVideo, render_puppet, render_samples

app = typer.Typer(add_completion=False)

Frames = NDArray[np.uint8]  # (F, H, W, 3)
Joints = NDArray[np.float64]  # (F, J, 2)
DELAYS = (3, 6, 12, 24)  # frames
CHARACTERS = 100
HAZES = (1.5, 2.0, 3.0, 4.0)  # times that detail is lost


@app.command()
def main(
    videos: Annotated[int, typer.Option(min=2, help="Videos to render.")] = 20,
    frames: Annotated[int, typer.Option(min=26, help="Frames of each.")] = 40,
    size: Annotated[int, typer.Option(help="Side of the frames.")] = 128,
    seed: Annotated[int, typer.Option(help="Of the videos.")] = 777,
) -> None:
    """Print the figures."""
    extractor = open_extractor(Request(device="cpu"))
    rendered = [
        render_puppet(seed, index, split="test", frames=frames, size=size)
        for index in range(videos)
    ]
    true = [in_fixed_order(video.joints, video.joint_names) for video in rendered]
    found = [extractor.keypoints(video.frames) for video in rendered]
    report_errors(rendered, true, found)
    for delay in DELAYS:
        compare(f"{delay} frames late", true, found, found, lambda joints, d=delay: joints[d:])
    for haze in HAZES:
        hazy = [extractor.keypoints(blur(video.frames, haze)) for video in rendered]
        compare(f"6 frames late, detail / {haze}", true, found, hazy, lambda joints: joints[6:])
    report_identities(extractor, seed, size)


def compare(
    what: str,
    true: list[Joints],
    found: list[Joints],
    generated: list[Joints],
    later: Callable[[Joints], Joints],
) -> None:
    """Print AKD of videos and the same some frames late: by the truth, and as detected."""
    truth, akd, mkr = [], [], []
    for joints, real, other in zip(true, found, generated, strict=True):
        count = len(later(joints))
        truth.append(average_keypoint_distance(joints[:count], later(joints)).akd)
        measured = average_keypoint_distance(real[:count], later(other))
        akd.append(measured.akd)
        mkr.append(measured.mkr)
    ratio = np.mean(akd) / np.mean(truth)
    off = np.abs(np.array(akd) / truth - 1)
    typer.echo(
        f"{what}: AKD {np.mean(akd):.3f}, by the true joints {np.mean(truth):.3f}, ratio "
        f"{ratio:.3f}; a video is off by {off.mean():.1%}, at most {off.max():.1%}; "
        f"MKR {np.mean(mkr):.4f}"
    )


def report_errors(videos: list[PuppetVideo], true: list[Joints], found: list[Joints]) -> None:
    """Print how far detections are from the true joints, how many lack, and swapped sides."""
    wanted, got = np.concatenate(true), np.concatenate(found)
    visible = np.zeros(wanted.shape[:2], bool)
    start = 0
    for video in videos:
        columns = [JOINT_NAMES.index(name) for name in video.joint_names]
        visible[start : start + len(video.frames), columns] = video.visible
        start += len(video.frames)
    exists, detected = ~np.isnan(wanted).any(-1), ~np.isnan(got).any(-1)
    both = exists & detected
    error = np.where(both[..., None], np.abs(got - wanted), np.nan).mean(-1)
    seen, hidden = error[visible & both].mean(), error[both & ~visible].mean()
    missed, invented = (exists & ~detected).sum(), (detected & ~exists).sum()
    typer.echo(
        f"joints off by {np.nanmean(error):.2f} px in x and y (visible {seen:.2f}, hidden "
        f"{hidden:.2f}), median {np.nanmedian(error):.2f}, 95% {np.nanquantile(error, 0.95):.2f}; "
        f"missed {missed / exists.sum():.2%}, invented {invented / exists.sum():.2%}"
    )
    for part in ("hand", "elbow", "toe", "knee"):
        typer.echo(f"  {part}: sides swapped in {swapped(wanted, got, part):.2%} of the pairs")
    worst = sorted(zip(np.nanmean(error, 0), JOINT_NAMES, strict=True), reverse=True)
    typer.echo("  " + ", ".join(f"{name} {value:.2f}" for value, name in worst))


def swapped(wanted: Joints, got: Joints, part: str) -> float:
    """Share of the pairs, some pixels apart, whose left joint was found nearer to the right one."""
    count, of = 0, 0
    for left, name in enumerate(JOINT_NAMES):
        if not name.endswith(f"left_{part}"):
            continue
        right = JOINT_NAMES.index(name.replace("left", "right"))
        apart = np.linalg.norm(wanted[:, left] - wanted[:, right], axis=-1) > 4
        own = np.linalg.norm(got[:, [left, right]] - wanted[:, [left, right]], axis=-1).sum(-1)
        other = np.linalg.norm(got[:, [right, left]] - wanted[:, [left, right]], axis=-1).sum(-1)
        known = apart & ~np.isnan(own)
        count, of = count + int((other < own)[known].sum()), of + int(known.sum())
    return count / max(of, 1)


def report_identities(extractor: PuppetExtractor, seed: int, size: int) -> None:
    """Print squared distances of embeddings and the equal error rate of telling characters."""
    frames, names = [], []
    for index in range(CHARACTERS):
        samples = render_samples(seed, index, motions=4, frames=1, size=size)
        whole = samples.frames[samples.present.all(1)]
        frames.append(whole)
        names += [index] * len(whole)
    everyone = np.concatenate(frames)
    clear = extractor.embeddings(everyone)
    own = np.equal.outer(names, names)
    for haze in (1.0, *HAZES):
        other = extractor.embeddings(blur(everyone, haze))
        squares = ((clear[:, None] - other) ** 2).sum(-1)
        known = ~np.isnan(squares)
        same = squares[own & known & ~np.eye(len(names), dtype=bool)]
        different = squares[~own & known]
        typer.echo(
            f"identity, detail / {haze}: squared distance {same.mean():.3f} to the same one in "
            f"another motion and scene, {different.mean():.3f} to others; equal error rate "
            f"{equal_error_rate(same, different):.2%}; no puppet in "
            f"{np.isnan(other).any(-1).mean():.1%}"
        )


def equal_error_rate(same: NDArray[np.float64], different: NDArray[np.float64]) -> float:
    """The error of the threshold at which as many are taken for others as others are let in."""
    limits = np.quantile(np.concatenate([same, different]), np.linspace(0, 1, 2001))
    missed = np.array([(same > limit).mean() for limit in limits])
    let_in = np.array([(different <= limit).mean() for limit in limits])
    best = int(np.abs(missed - let_in).argmin())
    return float((missed[best] + let_in[best]) / 2)


def blur(frames: Frames, times: float) -> Frames:
    """Lose detail by making the frames smaller and larger again."""
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
