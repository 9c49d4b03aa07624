"""``cpabmm preprocess videos``: cut clips of faces, bodies or motion out of raw videos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.failures import RUN_FAILED
from cpabmm_cli.options import (
    ClipFormatOption,
    DeviceOption,
    JsonOption,
    OutputFolder,
    ShardOption,
    WorkersOption,
)
from cpabmm_cli.processes import usable_cores
from cpabmm_core.errors import ConfigError

if TYPE_CHECKING:
    from cpabmm_core.data.preprocess import ClipRules, VideoSummary

_BY_SUBJECT = "by subject"

Source = Annotated[
    Path,
    typer.Argument(metavar="IN", help="Video or folder of videos. Sub-folders are identities."),
]
Subject = Annotated[
    str,
    typer.Option(
        metavar="faces|faces-dlib|bodies|motion|none",
        help="What to crop to. motion needs no network; none crops to the centred square.",
    ),
]
Size = Annotated[int, typer.Option(min=16, help="Side of the square clips, in pixels.")]
MinFrames = Annotated[
    int | None, typer.Option(min=2, help="Drop clips with fewer frames.", show_default=_BY_SUBJECT)
]
MaxFrames = Annotated[
    int | None,
    typer.Option(min=2, help="Split clips with more frames.", show_default=_BY_SUBJECT),
]
MinSize = Annotated[
    int | None,
    typer.Option(
        min=1, help="Drop subjects smaller than this, in pixels.", show_default=_BY_SUBJECT
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Expand the box on each side by this share of its side.",
        show_default=_BY_SUBJECT,
    ),
]
SceneOption = Annotated[
    Literal["adaptive", "none"],
    typer.Option(help="How to find scene cuts. none: the videos have no cuts."),
]
TestShare = Annotated[
    float, typer.Option(min=0, max=0.99, help="Share of the identities in test/.")
]


def videos(
    source: Source,
    *,
    output: OutputFolder,
    subject: Subject = "motion",
    size: Size = 256,
    min_frames: MinFrames = None,
    max_frames: MaxFrames = None,
    min_size: MinSize = None,
    margin: Margin = None,
    file_format: ClipFormatOption = "mp4",
    scenes: SceneOption = "adaptive",
    test_share: TestShare = 0.1,
    workers: WorkersOption = None,
    shard: ShardOption = "1/1",
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Cut square clips out of raw videos and split them by identity.

    The same command resumes a stopped run.
    """
    from cpabmm_core.data.preprocess import ClipSettings, Shard, preprocess_videos
    from cpabmm_core.metrics.extractors import Request

    rules = _rules(subject, min_frames, max_frames, min_size, margin)
    problems: list[str] = []

    def report(line: str) -> None:
        problems.append(line)
        terminal.error(line)

    with terminal.counter("preprocessing") as progress:
        summary = preprocess_videos(
            source,
            output,
            ClipSettings(subject, rules, size, file_format, scenes, test_share),
            shard=Shard.parse(shard),
            workers=workers or usable_cores(),
            request=Request(device=device, announce=terminal.say),
            report=report,
            progress=progress,
        )
    _say_summary(summary)
    terminal.result(as_json({**summary.as_dict(), "output": str(output)}) if json else str(output))
    if problems:
        raise typer.Exit(RUN_FAILED)


def _rules(
    subject: str,
    min_frames: int | None,
    max_frames: int | None,
    min_size: int | None,
    margin: float | None,
) -> "ClipRules":
    """Build the rules. Report wrong values as wrong usage."""
    from cpabmm_core.data.preprocess import rules_for

    try:
        return rules_for(
            subject, min_frames=min_frames, max_frames=max_frames, min_size=min_size, margin=margin
        )
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


def _say_summary(summary: "VideoSummary") -> None:
    minutes, seconds = divmod(round(summary.seconds), 60)
    terminal.say(
        f"{summary.clips} clips of {summary.identities} identities, {minutes} min {seconds} s, "
        f"from {summary.videos} videos"
    )
    if summary.dropped:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in summary.dropped.items())
        terminal.say(f"dropped: {reasons}")
    if summary.unreadable:
        terminal.say(f"unreadable: {summary.unreadable} videos; the next run tries them again")
    if summary.waiting:
        terminal.say(
            f"waiting for other shards: {summary.waiting} videos; the last shard, or the same "
            "command again, splits the clips and writes the manifest"
        )
