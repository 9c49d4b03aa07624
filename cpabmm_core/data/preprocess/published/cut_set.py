"""Cutting a published data set out of its videos, as its table specifies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.data.preprocess.clip_writer import ClipFormat, check_clip_size, clip_path
from cpabmm_core.data.preprocess.lock import lock_folder
from cpabmm_core.data.preprocess.published.cut_video import VideoTask, cut_video
from cpabmm_core.data.preprocess.published.find_videos import (
    Fetch,
    ProblemCallback,
    find_videos,
)
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
from cpabmm_core.errors import (
    DataError,
    MediaError,
    OutputExistsError,
    ResourceError,
)
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.output import check_output_folder
from cpabmm_core.process_map import process_map

_NO_VIDEO = "its video is missing"


@dataclass(frozen=True, slots=True)
class CutSummary:
    """The number of clips in each state after a run.

    Example:
        >>> from cpabmm_core.data.preprocess import CutSummary
        >>> CutSummary(made=20, kept=80).is_complete  # as `cut_set` returns it
        True
        >>> CutSummary(made=20, kept=79, left_out=1).is_complete
        False
    """

    made: int = 0
    """Complete clips that this run cut."""
    kept: int = 0
    """Complete clips of earlier runs."""
    short: int = 0
    """Clips with fewer frames than their row specifies."""
    left_out: int = 0
    """Rows without a clip."""

    @property
    def is_complete(self) -> bool:
        """Whether every row has a complete clip."""
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
    report: ProblemCallback,
    progress: Callable[[int, int], None] | None = None,
) -> CutSummary:
    """Cut the clips of a table into ``folder/train`` and ``folder/test``.

    Each video is decoded once, in constant memory. Calling the function again continues a stopped
    run: it keeps complete clips whose specification is unchanged, and cuts all others again. It
    reads the manifests of all shards, so a final run without `shard` merges them.

    Args:
        rows: rows of the whole table.
        videos: folder of the videos, named ``VIDEO_ID.mp4`` (other video suffixes work as well).
        folder: folder to write; must be new, empty, or written by this function.
        size: side of the clips, in pixels.
        file_format: ``mp4`` for near-lossless videos, ``png`` for lossless folders of frames.
        shard: the part of the videos to process; None processes all.
        workers: number of processes; 1 cuts in this process.
        fetch: called with the names of missing videos; None leaves them missing.
        report: called with each problem that does not stop the run.
        progress: called after each video with the number of finished videos and the total.

    Returns:
        The number of clips in each state.

    Raises:
        ConfigError: clips of this size cannot be written.
        DataError: the folder of videos is missing.
        MediaError: a file cannot be written.
        OutputExistsError: the folder contains something else or clips of another size or format,
            or another run is writing to it.
        ResourceError: the disk is full, or a process was killed.

    Example:
        >>> import tempfile
        >>> from fractions import Fraction
        >>> from pathlib import Path
        >>> from cpabmm_core.data.preprocess import Box, TableRow, cut_set
        >>> from cpabmm_core.puppets import write_puppets
        >>> temporary = tempfile.TemporaryDirectory()
        >>> raw, folder = Path(temporary.name, "raw"), Path(temporary.name, "set")
        >>> write_puppets(raw, videos=1, test_videos=0, frames=4, size=64, seed=0)
        >>> row = TableRow(
        ...     line=2, video="00000", name="00000#000001#000003", partition="train",
        ...     start=1, end=3, rate=Fraction(25), box=Box(0, 0, 64, 64), width=64, height=64,
        ... )
        >>> cut_set([row], raw / "train", folder, size=32, report=print)
        CutSummary(made=1, kept=0, short=0, left_out=0)
        >>> [path.name for path in (folder / "train").iterdir()]
        ['00000#000001#000003.mp4']
        >>> temporary.cleanup()
    """
    check_clip_size(size, file_format)
    if not videos.is_dir():
        raise DataError(f"{videos}: no such folder; give the folder of the videos")
    shard = shard or Shard()
    earlier = _prepare_folder(folder, videos, shard, size, file_format)
    rows = [row for row in rows if shard.contains(row.video)]
    specs = {clip_key(row): clip_spec(row, size, file_format) for row in rows}
    complete = _find_complete(folder, specs, earlier)
    todo = [row for row in rows if clip_key(row) not in complete]
    manifest = manifest_path(folder, shard)
    lock = lock_folder(
        folder, folder / f".lock{shard.suffix}", lambda line: report(ResourceError(line))
    )
    with lock, unfinished_folder(folder, shard) as unfinished:
        tasks = [
            VideoTask(source, of_video, folder, unfinished, manifest, size, file_format)
            for source, of_video in find_videos(todo, videos, fetch, report)
        ]
        _run(tasks, workers, progress)
        tried = {clip_key(row) for task in tasks for row in task.rows}
        found = {clip: r for clip, r in read_manifest(manifest).items() if clip in tried}
        missing = {clip: Record(clip, specs[clip], None, reason=_NO_VIDEO) for clip in specs}
        records = list((missing | found | complete).values())  # in the order of the table
        write_manifest(manifest, records)
    _report_problems(folder, records, report)
    return _summarise(records, kept=len(complete))


def _prepare_folder(
    folder: Path, videos: Path, shard: Shard, size: int, file_format: ClipFormat
) -> dict[str, list[Record]]:
    """Create the folder, or check an existing one; return the records of its clips."""
    check_output_folder(folder, force=True, inputs=[videos])
    if folder.is_dir() and any(folder.iterdir()) and not has_manifest(folder):
        raise OutputExistsError(
            f"{folder}: is not empty and has no manifest of such clips; choose another folder"
        )
    earlier = read_manifests(folder)
    for spec in (record.spec for records in earlier.values() for record in records):
        if (spec.size, spec.format) != (size, file_format):
            raise OutputExistsError(
                f"{folder}: contains clips of size {spec.size} as {spec.format}; use the same "
                "settings, or choose another folder"
            )
    try:
        folder.mkdir(exist_ok=True)
        # The manifest comes first, so that other shards recognise the folder.
        manifest_path(folder, shard).touch()
        for subset in ("train", "test"):
            (folder / subset).mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from None
    return earlier


def _find_complete(
    folder: Path, specs: Mapping[str, ClipSpec], earlier: Mapping[str, Sequence[Record]]
) -> dict[str, Record]:
    """Return the records of existing clips that are complete and match their specification."""
    return {
        clip: record
        for clip, spec in specs.items()
        for record in earlier.get(clip, ())
        if record.spec == spec
        and record.reason is None
        and clip_path(folder, clip, spec.format).exists()
    }


def _run(
    tasks: Sequence[VideoTask], workers: int, progress: Callable[[int, int], None] | None
) -> None:
    if not tasks:
        return
    with process_map(min(workers, len(tasks))) as run:
        for done, _ in enumerate(run(cut_video, tasks), 1):
            if progress is not None:
                progress(done, len(tasks))


def _report_problems(folder: Path, records: Sequence[Record], report: ProblemCallback) -> None:
    """Report why clips are missing or short, once for each video and reason."""
    problems: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if record.source is not None and record.reason is not None:
            problems.setdefault((record.source, record.reason), []).append(record.clip)
    for (source, reason), clips in problems.items():
        more = f" and {len(clips) - 1} more of {source}" if len(clips) > 1 else ""
        report(MediaError(f"{folder / clips[0]}{more}: {reason}"))


def _summarise(records: Sequence[Record], kept: int) -> CutSummary:
    complete = sum(record.reason is None for record in records)
    short = sum(record.reason is not None and record.written > 0 for record in records)
    return CutSummary(complete - kept, kept, short, len(records) - complete - short)
