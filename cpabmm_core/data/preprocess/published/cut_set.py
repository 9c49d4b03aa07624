"""A published data set, cut out of its videos as its table says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.data.clip_set import StatusCallback
from cpabmm_core.data.preprocess.clip_writer import ClipFormat, check_clip_size, clip_path
from cpabmm_core.data.preprocess.lock import lock_folder
from cpabmm_core.data.preprocess.published.cut_video import VideoTask, cut_video
from cpabmm_core.data.preprocess.published.manifest import (
    ClipSpec,
    Record,
    clip_key,
    clip_spec,
    has_manifest,
    manifest_path,
    read_manifest,
    read_manifests,
    write_manifest,
)
from cpabmm_core.data.preprocess.published.table import TableRow
from cpabmm_core.data.preprocess.published.unfinished import unfinished_folder
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import DataError, OutputExistsError
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.output import check_output_folder
from cpabmm_core.media.clips import VIDEO_SUFFIXES
from cpabmm_core.process_map import process_map

_NAMED = 5
_NO_VIDEO = "its video is not there"

Fetch = Callable[[Sequence[str]], None]
"""Tries to put videos of these names into the folder of videos."""


@dataclass(frozen=True, slots=True)
class CutSummary:
    """How many clips a run left in which state."""

    made: int = 0
    """Whole clips that this run cut."""
    kept: int = 0
    """Whole clips that were there before."""
    short: int = 0
    """Clips with fewer frames than their row asks for."""
    left_out: int = 0
    """Rows without a clip."""

    @property
    def is_whole(self) -> bool:
        """Whether every row has its clip."""
        return not self.short and not self.left_out


def cut_set(
    rows: Sequence[TableRow],
    videos: Path,
    folder: Path,
    *,
    size: int,
    file_format: ClipFormat = "mp4",
    shard: Shard | None = None,
    workers: int = 1,
    fetch: Fetch | None = None,
    report: StatusCallback,
    progress: Callable[[int, int], None] | None = None,
) -> CutSummary:
    """Cut the clips of a table into ``folder/train`` and ``folder/test``.

    Each video is decoded once, in constant memory. A run that was stopped goes on where it was: a
    clip that is whole and was cut as is asked for now stays, all others are tried again. The
    manifests of all shards count for that, so that a run without a shard, after theirs, finds
    nothing left to do and writes one manifest of them all.

    Args:
        rows: of the whole table.
        videos: holds ``VIDEO_ID.mp4``, or another video of that name.
        folder: where to write; must be new, empty, or of such a run.
        size: side of the clips, in pixels.
        file_format: near-lossless MP4, or folders of PNG frames.
        shard: the share of the videos to see to; all of them by default.
        workers: processes to cut with; 1 stays within this one.
        fetch: is asked for the videos that are not there; nobody by default.
        report: receives a line for each kind of trouble.
        progress: called after each video with the number done and the total.

    Raises:
        ConfigError: clips of this size cannot be written.
        DataError: there is no folder of videos.
        MediaError: something cannot be written.
        OutputExistsError: the folder holds something else, or clips of another size or format, or
            another run is cutting into it.
        ResourceError: the disk is full, or one of the processes was killed.
    """
    check_clip_size(size, file_format)
    if not videos.is_dir():
        raise DataError(f"{videos}: no such folder; give the one that holds the videos")
    shard = shard or Shard()
    earlier = _begin(folder, videos, shard, size, file_format)
    rows = [row for row in rows if shard.contains(row.video)]
    asked = {clip_key(row): clip_spec(row, size, file_format) for row in rows}
    made = _made(folder, asked, earlier)
    todo = [row for row in rows if clip_key(row) not in made]
    manifest = manifest_path(folder, shard)
    lock = folder / f".lock{shard.suffix}"
    with lock_folder(folder, lock, report), unfinished_folder(folder, shard) as unfinished:
        tasks = [
            VideoTask(source, of_video, folder, unfinished, manifest, size, file_format)
            for source, of_video in _sources(todo, videos, fetch, report)
        ]
        _run(tasks, workers, progress)
        tried = {clip_key(row) for task in tasks for row in task.rows}
        found = {clip: r for clip, r in read_manifest(manifest).items() if clip in tried} | made
        missing = {clip: Record(clip, asked[clip], None, reason=_NO_VIDEO) for clip in asked}
        records = list((missing | found).values())  # in the order of the table
        write_manifest(manifest, records)
    _tell(folder, records, report)
    return _summary(records, kept=len(made))


def _begin(
    folder: Path, videos: Path, shard: Shard, size: int, file_format: ClipFormat
) -> dict[str, list[Record]]:
    """Make the folder, unless it is there; what became of its clips so far."""
    check_output_folder(folder, force=True, inputs=[videos])
    if folder.is_dir() and any(folder.iterdir()) and not has_manifest(folder):
        raise OutputExistsError(
            f"{folder}: is not empty, and holds no manifest of such clips; choose another folder"
        )
    earlier = read_manifests(folder)
    for asked in (record.asked for records in earlier.values() for record in records):
        if (asked.size, asked.format) != (size, file_format):
            raise OutputExistsError(
                f"{folder}: holds clips of size {asked.size} as {asked.format}; go on with those, "
                "or choose another folder"
            )
    try:
        folder.mkdir(exist_ok=True)
        # The manifest first, so that another shard knows whose folder this is.
        manifest_path(folder, shard).touch()
        for side in ("train", "test"):
            (folder / side).mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from None
    return earlier


def _made(
    folder: Path, asked: Mapping[str, ClipSpec], earlier: Mapping[str, Sequence[Record]]
) -> dict[str, Record]:
    """The records of the clips that are there, whole, and cut as is asked for."""
    return {
        clip: record
        for clip, wanted in asked.items()
        for record in earlier.get(clip, ())
        if record.asked == wanted
        and record.reason is None
        and clip_path(folder, clip, wanted.format).exists()
    }


def _sources(
    rows: Sequence[TableRow], videos: Path, fetch: Fetch | None, report: StatusCallback
) -> list[tuple[Path, list[TableRow]]]:
    """The videos that are there, each with its rows; says which are not."""
    by_video: dict[str, list[TableRow]] = {}
    for row in rows:
        by_video.setdefault(row.video, []).append(row)
    missing = [name for name in by_video if _video(videos, name) is None]
    if missing and fetch is not None:
        fetch(missing)
        missing = [name for name in missing if _video(videos, name) is None]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        report(
            f"{videos}: {len(missing)} of {len(by_video)} videos are not there: "
            f"{', '.join(missing[:_NAMED])}{more}; "
            "put them there as VIDEO_ID.mp4, or use --download"
        )
    found = ((_video(videos, name), of_video) for name, of_video in by_video.items())
    return [(source, of_video) for source, of_video in found if source is not None]


def _video(videos: Path, name: str) -> Path | None:
    """The file of a video; one that is not an MP4 is as good."""
    paths = (videos / f"{name}{suffix}" for suffix in VIDEO_SUFFIXES)
    return next((path for path in paths if path.exists()), None)


def _run(
    tasks: Sequence[VideoTask], workers: int, progress: Callable[[int, int], None] | None
) -> None:
    if not tasks:
        return
    with process_map(min(workers, len(tasks))) as run:
        for done, _ in enumerate(run(cut_video, tasks), 1):
            if progress is not None:
                progress(done, len(tasks))


def _tell(folder: Path, records: Sequence[Record], report: StatusCallback) -> None:
    """One line for each reason that clips of a video are missing or short for."""
    troubles: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.source is not None and record.reason is not None:
            troubles.setdefault((record.source, record.reason), []).append(record.clip)
    for (source, reason), clips in troubles.items():
        more = f" and {len(clips) - 1} more of {source}" if len(clips) > 1 else ""
        report(f"{folder / clips[0]}{more}: {reason}")


def _summary(records: Sequence[Record], kept: int) -> CutSummary:
    whole = sum(record.reason is None for record in records)
    short = sum(record.reason is not None and record.written > 0 for record in records)
    return CutSummary(whole - kept, kept, short, len(records) - whole - short)
