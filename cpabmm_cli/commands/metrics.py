"""``cpabmm metrics``: how near generated videos are to the real ones."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import JsonOption

_NAMES = ("l1", "psnr", "ssim")


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
    """Measure L1, PSNR and SSIM of each generated video, and their means over the videos."""
    from cpabmm_core.metrics.video_scores import match_videos, score_video

    pairs = match_videos(real, generated)
    scores = []
    with terminal.counter("measuring") as progress:
        for pair in pairs:
            scores.append(asdict(score_video(*pair, report=terminal.say)))
            progress(len(scores), len(pairs))
    means = {name: fmean(score[name] for score in scores) for name in _NAMES}
    if json:
        videos = [_finite(score) for score in scores]
        terminal.result(as_json({**_finite(means), "videos": videos}))
        return
    for score in [*scores, {"name": f"mean of {len(scores)}", **means}]:
        terminal.result(
            f"{score['name']}  l1 {score['l1']:.5f}  psnr {score['psnr']:.3f}  "
            f"ssim {score['ssim']:.5f}"
        )


def _finite(score: Mapping[str, object]) -> dict[str, object]:
    """JSON has no infinity: the PSNR of identical frames becomes null."""
    return {
        name: None if isinstance(value, float) and math.isinf(value) else value
        for name, value in score.items()
    }
