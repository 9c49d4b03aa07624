"""``cpabmm preprocess taichi|vox|ted``: the published sets, cut as their tables say."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpabmm_cli.console import Bar, as_json, terminal
from cpabmm_cli.failures import RUN_FAILED
from cpabmm_cli.options import (
    ClipFormatOption,
    JsonOption,
    OutputFolder,
    ShardOption,
    WorkersOption,
)
from cpabmm_cli.processes import usable_cores
from cpabmm_core.errors import ConfigError

if TYPE_CHECKING:
    from cpabmm_core.data.preprocess.published.cut_set import CutSummary, Fetch
    from cpabmm_core.data.preprocess.published.table import SetName

Metadata = Annotated[
    Path, typer.Option(metavar="CSV", help="The published table, one clip in each row.")
]
Videos = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder that holds the videos, as VIDEO_ID.mp4.")
]
Size = Annotated[int, typer.Option(min=2, help="Side of the square clips, in pixels.")]
Download = Annotated[
    bool,
    typer.Option("--download", help="Fetch videos that are not there, with yt-dlp if installed."),
]


def _cutting(data_set: "SetName", title: str, usual_size: int) -> Callable[..., None]:
    """The command that cuts one of the sets."""

    def cut(
        *,
        metadata: Metadata,
        videos: Videos,
        output: OutputFolder,
        size: Size = usual_size,
        file_format: ClipFormatOption = "mp4",
        download: Download = False,
        shard: ShardOption = "1/1",
        workers: WorkersOption = None,
        json: JsonOption = False,
    ) -> None:
        from cpabmm_core.data.preprocess.published.cut_set import cut_set
        from cpabmm_core.data.preprocess.published.table import read_table
        from cpabmm_core.data.preprocess.shard import Shard

        part = Shard.parse(shard)
        rows = read_table(metadata, data_set)
        downloader = _downloader(videos) if download else None
        with terminal.bar() as bar:
            fetch = _fetch(downloader, videos, bar) if downloader else None
            task = bar.add_task("cutting", total=None)
            summary = cut_set(
                rows,
                videos,
                output,
                size=size,
                file_format=file_format,
                shard=part,
                workers=workers or usable_cores(),
                fetch=fetch,
                report=terminal.error,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        _tell(summary, output, part.suffix)
        found = {**asdict(summary), "output": str(output)}
        terminal.result(as_json(found) if json else str(output))
        if not summary.is_whole:
            raise typer.Exit(RUN_FAILED)

    cut.__doc__ = f"Cut the {title} set out of its videos; started again it goes on."
    return cut


taichi = _cutting("taichi", "TaiChi", 256)
vox = _cutting("vox", "VoxCeleb", 256)
ted = _cutting("ted", "TED-talks", 384)


def _fetch(command: str, videos: Path, bar: Bar) -> "Fetch":
    """What fetches videos, with a bar of its own."""
    from cpabmm_core.data.preprocess.published.download import download_videos

    def fetch(names: Sequence[str]) -> None:
        task = bar.add_task("downloading", total=len(names))
        download_videos(
            names,
            videos,
            command,
            report=terminal.error,
            progress=lambda done, _: bar.update(task, completed=done),
        )

    return fetch


def _downloader(videos: Path) -> str:
    """Where yt-dlp is, with a folder for what it fetches."""
    command = shutil.which("yt-dlp")
    if command is None:
        raise ConfigError(
            "--download: yt-dlp is not installed; pip install yt-dlp, or put the videos into "
            f"{videos} and leave --download out"
        )
    with suppress(OSError):  # what keeps it from being there is told by those who look for it
        videos.mkdir(exist_ok=True)
    return command


def _tell(summary: "CutSummary", output: Path, suffix: str) -> None:
    counts = [f"{summary.made} clips cut"]
    counts += [f"{summary.kept} were there already"] if summary.kept else []
    counts += [f"{summary.short} are short"] if summary.short else []
    counts += [f"{summary.left_out} left out"] if summary.left_out else []
    why = "" if summary.is_whole else f"; {output / f'manifest{suffix}.jsonl'} says why"
    terminal.say(f"{', '.join(counts)}{why}")
