"""``cpabmm metrics``: how near generated videos are to the real ones."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import JsonOption


def metrics(
    real: Annotated[
        Path, typer.Argument(metavar="REAL", help="A video or an image, or a folder of them.")
    ],
    generated: Annotated[
        Path,
        typer.Argument(metavar="GENERATED", help="The same drawn by a model, of the same names."),
    ],
    *,
    json: JsonOption = False,
) -> None:
    """Measure L1, PSNR and SSIM of each generated video, and their means."""
    from cpabmm_core.metrics.video_scores import match_videos, score_video, summarise

    pairs = match_videos(real, generated)
    scores = []
    with terminal.counter("measuring") as progress:
        for pair in pairs:
            scores.append(score_video(*pair, report=terminal.say))
            progress(len(scores), len(pairs))
    means, videos = asdict(summarise(scores)), [asdict(score) for score in scores]
    if json:
        listed = [_finite(video) for video in videos]
        terminal.result(as_json({**_finite(means), "videos": listed}))
        return
    for video in videos:
        terminal.result(f"{video['name']}  {_line(video)}")
    terminal.result(f"mean of {len(videos)} videos  {_line({**means, 'l1': means['l1_videos']})}")
    frames = sum(score.frames for score in scores)
    terminal.result(f"mean of {frames} frames  l1 {means['l1']:.5f}")


def _line(score: Mapping[str, Any]) -> str:
    return f"l1 {score['l1']:.5f}  psnr {score['psnr']:.3f}  ssim {score['ssim']:.5f}"


def _finite(score: Mapping[str, object]) -> dict[str, object]:
    """JSON has no infinity: the PSNR of identical frames becomes null."""
    return {
        name: None if isinstance(value, float) and math.isinf(value) else value
        for name, value in score.items()
    }
