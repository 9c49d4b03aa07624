"""``cpabmm preprocess taichi|vox|ted``: cut the published data sets as their tables specify."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cpabmm_cli.console import Bar, as_json, terminal
from cpabmm_cli.failures import RUN_FAILED, message_of
from cpabmm_cli.options import (
    ClipFormatOption,
    JsonOption,
    OutputFolder,
    ShardOption,
    WorkersOption,
)
from cpabmm_cli.processes import usable_cores
from cpabmm_core.errors import ConfigError, CpabmmError

if TYPE_CHECKING:
    from cpabmm_core.data.preprocess import CutSummary
    from cpabmm_core.data.preprocess.published.find_videos import Fetch
    from cpabmm_core.data.preprocess.published.table import SetName

Metadata = Annotated[
    Path, typer.Option(metavar="CSV", help="Published table with one clip per row.")
]
Videos = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder of the videos, named VIDEO_ID.mp4.")
]
Size = Annotated[int, typer.Option(min=2, help="Side of the square clips, in pixels.")]
Download = Annotated[
    bool,
    typer.Option("--download", help="Download missing videos with yt-dlp, if it is installed."),
]


def _make_command(data_set: "SetName", title: str, default_size: int) -> Callable[..., None]:
    """Create the command that cuts one of the data sets."""

    def cut(
        *,
        metadata: Metadata,
        videos: Videos,
        output: OutputFolder,
        size: Size = default_size,
        file_format: ClipFormatOption = "mp4",
        download: Download = False,
        shard: ShardOption = "1/1",
        workers: WorkersOption = None,
        json: JsonOption = False,
    ) -> None:
        from cpabmm_core.data.preprocess import Shard, cut_set, read_table

        part = Shard.parse(shard)
        rows = read_table(metadata, data_set)
        downloader = _find_downloader(videos) if download else None
        with terminal.bar() as bar:
            fetch = _make_fetch(downloader, videos, bar) if downloader else None
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
                report=_report,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        _say_summary(summary, output, part.suffix)
        document = {**asdict(summary), "output": str(output)}
        terminal.result(as_json(document) if json else str(output))
        if not summary.is_complete:
            raise typer.Exit(RUN_FAILED)

    cut.__doc__ = f"Cut the {title} data set out of its videos; resumes a stopped run."
    return cut


taichi = _make_command("taichi", "TaiChi", 256)
vox = _make_command("vox", "VoxCeleb", 256)
ted = _make_command("ted", "TED-talks", 384)


def _report(problem: CpabmmError) -> None:
    terminal.error(message_of(problem))


def _make_fetch(command: str, videos: Path, bar: Bar) -> "Fetch":
    """Create a function that downloads videos, with its own progress bar."""
    from cpabmm_core.data.preprocess import download_videos

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


def _find_downloader(videos: Path) -> str:
    """Return the path of yt-dlp, and create the folder for the videos."""
    command = shutil.which("yt-dlp")
    if command is None:
        raise ConfigError(
            "--download: yt-dlp is not installed; pip install yt-dlp, or add the videos to "
            f"{videos} and omit --download"
        )
    with suppress(OSError):  # cut_set reports a folder that cannot be created
        videos.mkdir(exist_ok=True)
    return command


def _say_summary(summary: "CutSummary", output: Path, suffix: str) -> None:
    counts = [f"{summary.made} clips cut"]
    counts += [f"{summary.kept} kept"] if summary.kept else []
    counts += [f"{summary.short} short"] if summary.short else []
    counts += [f"{summary.left_out} missing"] if summary.left_out else []
    reasons = (
        "" if summary.is_complete else f"; see {output / f'manifest{suffix}.jsonl'} for reasons"
    )
    terminal.say(f"{', '.join(counts)}{reasons}")
