"""``cpabmm preprocess videos``: clips of faces, bodies or whatever moves, out of raw videos."""

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
    from cpabmm_core.data.preprocess.raw.assemble import VideoSummary

_BY_SUBJECT = "by subject"


def videos(
    given: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="A video, or a folder of them; sub-folders are identities."
        ),
    ],
    *,
    output: OutputFolder,
    subject: Annotated[
        str,
        typer.Option(
            metavar="faces|faces-dlib|bodies|motion|none",
            help="What clips show; motion needs no network, none takes the centred square.",
        ),
    ] = "motion",
    size: Annotated[int, typer.Option(min=16, help="Side of the square clips, in pixels.")] = 256,
    min_frames: Annotated[
        int | None,
        typer.Option(min=2, help="Drop clips of fewer frames.", show_default=_BY_SUBJECT),
    ] = None,
    max_frames: Annotated[
        int | None,
        typer.Option(min=2, help="End a clip after so many frames.", show_default=_BY_SUBJECT),
    ] = None,
    min_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Drop clips of smaller subjects, in pixels.", show_default=_BY_SUBJECT
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Move each side out by this share of the box.",
            show_default=_BY_SUBJECT,
        ),
    ] = None,
    file_format: ClipFormatOption = "mp4",
    scenes: Annotated[
        Literal["adaptive", "none"],
        typer.Option(help="How to find scene cuts; none: there are no cuts."),
    ] = "adaptive",
    test_share: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of the identities in test/.")
    ] = 0.1,
    workers: WorkersOption = None,
    shard: ShardOption = "1/1",
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Cut clips out of raw videos: scene by scene, square, split by identity, with a manifest.

    A run that was stopped goes on when it is started again.
    """
    from cpabmm_core.data.preprocess.raw.rules import rules_for
    from cpabmm_core.data.preprocess.raw.settings import ClipSettings
    from cpabmm_core.data.preprocess.raw.videos import preprocess_videos
    from cpabmm_core.data.preprocess.shard import Shard
    from cpabmm_core.metrics.extractors import Request

    try:
        rules = rules_for(
            subject, min_frames=min_frames, max_frames=max_frames, min_size=min_size, margin=margin
        )
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    failed: list[str] = []

    def report(line: str) -> None:
        failed.append(line)
        terminal.error(line)

    with terminal.counter("preprocessing") as progress:
        summary = preprocess_videos(
            given,
            output,
            ClipSettings(subject, rules, size, file_format, scenes, test_share),
            shard=Shard.parse(shard),
            workers=workers or usable_cores(),
            request=Request(device=device, announce=terminal.say),
            report=report,
            progress=progress,
        )
    _tell(summary)
    terminal.result(as_json({**summary.as_dict(), "output": str(output)}) if json else str(output))
    if failed:
        raise typer.Exit(RUN_FAILED)


def _tell(summary: "VideoSummary") -> None:
    minutes, seconds = divmod(round(summary.seconds), 60)
    terminal.say(
        f"{summary.clips} clips of {summary.identities} identities, {minutes} min {seconds} s, "
        f"from {summary.videos} videos"
    )
    if summary.dropped:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in summary.dropped.items())
        terminal.say(f"dropped: {reasons}")
    if summary.unreadable:
        terminal.say(f"cannot be read: {summary.unreadable}; tried again by the next run")
    if summary.waiting:
        terminal.say(
            f"{summary.waiting} videos are left to other shards; the last one to end, or the same "
            "command once more, splits the clips and writes the manifest"
        )
