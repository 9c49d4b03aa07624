"""What became of each row of a published table: one JSON object a line, beside the clips."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cpabmm_core.data.preprocess.clip_writer import ClipFormat
from cpabmm_core.data.preprocess.published.table import TableRow
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.files.checks import write_error
from cpabmm_core.files.output import atomic_path

_STEM = "manifest"


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What a row and the settings ask for; a clip that was made of another asking is made anew."""

    start: int
    end: int
    fps: str
    bbox: list[int]
    width: int
    height: int
    size: int
    format: ClipFormat


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one row."""

    clip: str
    """``train/NAME`` or ``test/NAME``, without suffix."""
    asked: ClipSpec
    source: str | None
    """Name of the video's file; None where there is none."""
    written: int = 0
    """Frames of the clip; 0 where there is none."""
    frames: list[int] | None = None
    """The number of the first frame to be cut, and of the one after the last."""
    box: list[int] | None = None
    """The box in the video at hand: left, top, right, bottom."""
    reason: str | None = None
    """Why the clip is missing or short; None for one that is whole."""


def clip_key(row: TableRow) -> str:
    """How the manifest names a row's clip."""
    return f"{row.partition}/{row.name}"


def clip_spec(row: TableRow, size: int, file_format: ClipFormat) -> ClipSpec:
    """What a row asks for, with the settings."""
    box = [int(edge) for edge in row.box]
    return ClipSpec(
        row.start, row.end, str(row.rate), box, row.width, row.height, size, file_format
    )


def manifest_path(folder: Path, shard: Shard) -> Path:
    """Where a shard keeps its manifest: each its own, for they may run at the same time."""
    return folder / f"{_STEM}{shard.suffix}.jsonl"


def has_manifest(folder: Path) -> bool:
    """Whether clips were cut into a folder before, by any shard."""
    return any(folder.glob(f"{_STEM}*.jsonl"))


def read_manifests(folder: Path) -> dict[str, list[Record]]:
    """What became of the rows so far, by clip, from the manifests of all shards together."""
    found: dict[str, list[Record]] = {}
    for path in sorted(folder.glob(f"{_STEM}*.jsonl")):
        for clip, record in read_manifest(path).items():
            found.setdefault(clip, []).append(record)
    return found


def read_manifest(path: Path) -> dict[str, Record]:
    """The last record of each clip in one file; none if it is not there.

    Lines that cannot be read, as a killed run may leave one, do not count.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    records = [record for record in map(_read, lines) if record is not None]
    return {record.clip: record for record in records}


def add_record(path: Path, record: Record) -> None:
    """Append a record; several processes of one machine may do so at the same time.

    Raises:
        MediaError: the file cannot be written.
        ResourceError: the disk is full.
    """
    try:
        with path.open("ab", buffering=0) as file:  # one write a line, so that lines stay whole
            # A line that a killed run left unfinished ends here.
            file.write(f"\n{_line(record)}\n".encode())
    except OSError as error:
        raise write_error(path, error) from None


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Write a manifest anew, whole or not at all.

    Raises:
        MediaError: the file cannot be written.
        ResourceError: the disk is full.
    """
    with atomic_path(path, force=True) as temporary:
        text = "".join(f"{_line(record)}\n" for record in records)
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _line(record: Record) -> str:
    return json.dumps(asdict(record), ensure_ascii=False, allow_nan=False)


def _read(line: str) -> Record | None:
    try:
        fields: dict[str, Any] = json.loads(line)
        return Record(**{**fields, "asked": ClipSpec(**fields["asked"])})
    except (ValueError, TypeError, KeyError):
        return None
