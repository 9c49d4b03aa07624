"""The manifest of a cut data set: one JSON object per line for each row of its table."""

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
_KEYS = {"spec": "asked"}  # the key in the file is an older name


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What a row and the settings specify for a clip. If it changes, the clip is cut again."""

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
    """The result of one row."""

    clip: str
    """``train/NAME`` or ``test/NAME``, without suffix."""
    spec: ClipSpec
    """The specification of the clip; the key in the file is ``asked``."""
    source: str | None
    """The name of the video file; None if it is missing."""
    written: int = 0
    """The number of frames of the clip; 0 if there is no clip."""
    frames: list[int] | None = None
    """The number of the first frame to cut, and of the frame after the last."""
    box: list[int] | None = None
    """The box in the video file: left, top, right, bottom."""
    reason: str | None = None
    """Why the clip is missing or short; None if it is complete."""


def clip_key(row: TableRow) -> str:
    """Return the name of a row's clip in the manifest, ``train/NAME`` or ``test/NAME``."""
    return f"{row.partition}/{row.name}"


def clip_spec(row: TableRow, size: int, file_format: ClipFormat) -> ClipSpec:
    """Return the specification of a row's clip."""
    box = [int(edge) for edge in row.box]
    return ClipSpec(
        row.start, row.end, str(row.rate), box, row.width, row.height, size, file_format
    )


def manifest_path(folder: Path, shard: Shard) -> Path:
    """Return the path of a shard's manifest. Shards may run at the same time, so each has one."""
    return folder / f"{_STEM}{shard.suffix}.jsonl"


def has_manifest(folder: Path) -> bool:
    """Return whether a folder contains the manifest of any shard."""
    return any(folder.glob(f"{_STEM}*.jsonl"))


def read_manifests(folder: Path) -> dict[str, list[Record]]:
    """Read the manifests of all shards, as lists of records by clip."""
    found: dict[str, list[Record]] = {}
    for path in sorted(folder.glob(f"{_STEM}*.jsonl")):
        for clip, record in read_manifest(path).items():
            found.setdefault(clip, []).append(record)
    return found


def read_manifest(path: Path) -> dict[str, Record]:
    """Read the last record of each clip in a manifest, which may be missing.

    Unreadable lines, which a killed run may leave, are ignored.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    records = [record for record in map(_read, lines) if record is not None]
    return {record.clip: record for record in records}


def add_record(path: Path, record: Record) -> None:
    """Append a record. Several processes may do so at the same time.

    Raises:
        MediaError: the file cannot be written.
        ResourceError: the disk is full.
    """
    try:
        with path.open("ab", buffering=0) as file:  # one write per line, so that lines do not mix
            # The leading line break ends a line that a killed run left unfinished.
            file.write(f"\n{_line(record)}\n".encode())
    except OSError as error:
        raise write_error(path, error) from None


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Replace a manifest atomically.

    Raises:
        MediaError: the file cannot be written.
        ResourceError: the disk is full.
    """
    with atomic_path(path, force=True) as temporary:
        text = "".join(f"{_line(record)}\n" for record in records)
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _line(record: Record) -> str:
    fields = {_KEYS.get(name, name): value for name, value in asdict(record).items()}
    return json.dumps(fields, ensure_ascii=False, allow_nan=False)


def _read(line: str) -> Record | None:
    try:
        fields: dict[str, Any] = json.loads(line)
        spec = ClipSpec(**fields.pop("asked"))
        return Record(**fields, spec=spec)
    except (ValueError, TypeError, KeyError):
        return None
