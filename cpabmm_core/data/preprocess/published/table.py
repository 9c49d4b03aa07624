"""The tables that specify the clips of the published data sets, one per row."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.clip_writer import clip_name
from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.files.rows import read_text_table
from cpabmm_core.files.text import decode_text

SetName = Literal["taichi", "vox", "ted"]
Partition = Literal["train", "test"]

_COLUMNS = ("video_id", "start", "end", "bbox", "fps", "width", "height", "partition")
_BOX = re.compile(r"[0-9]+-[0-9]+-[0-9]+-[0-9]+")
_RANGE_IN_ID = re.compile(r"[^#]+#([0-9]+)#([0-9]+)")
_TALK_RATE = Fraction(25)
"""The frame rate of the ranges in the identifiers of TED-talks."""
_UNFIT = re.compile(r'[/\\\x00-\x1f:*?"<>|]')
"""Characters that some file systems do not allow in names."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """The specification of a clip by a published table; `read_table` returns one per row.

    Example:
        >>> from fractions import Fraction
        >>> from cpabmm_core.data.preprocess import Box, TableRow
        >>> row = TableRow(
        ...     line=2, video="AAAAAAAAAAA", name="AAAAAAAAAAA#000080#000300", partition="train",
        ...     start=80, end=300, rate=Fraction(25), box=Box(118, 82, 508, 472), width=640,
        ...     height=480,
        ... )
        >>> float((row.end - row.start) / row.rate)  # its duration in seconds
        8.8
    """

    line: int
    """The line of the table, from 1."""
    video: str
    """The name of the video file, without suffix."""
    name: str
    """The name of the clip, without suffix."""
    partition: Partition
    start: int
    """The first frame, counted at `rate`."""
    end: int
    """The frame after the last one."""
    rate: Fraction
    """The frame rate at which `start` and `end` count."""
    box: Box
    """The box to crop to, in whole pixels of a frame of size `width` x `height`."""
    width: int
    height: int


def read_table(path: Path, data_set: SetName) -> list[TableRow]:
    r"""Read and check a published table.

    Args:
        path: CSV file with the columns ``video_id``, ``start``, ``end``, ``bbox``
            (left-top-right-bottom), ``fps``, ``width``, ``height`` and ``partition``, and for vox
            also ``person_id``. Other columns are ignored.
        data_set: data set of the table.

    Returns:
        The rows, in the order of the table.

    Raises:
        DataError: the file is missing or is not a table of this data set, or a row is malformed.
            The message gives the line.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.data.preprocess import read_table
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = Path(folder, "taichi.csv")
        ...     _ = table.write_text(
        ...         "video_id,start,end,bbox,fps,width,height,partition\n"
        ...         "AAAAAAAAAAA,80,300,118-82-508-472,29.97,640,480,train\n"
        ...     )
        ...     (row,) = read_table(table, "taichi")
        >>> row.name, row.partition, row.box.width
        ('AAAAAAAAAAA#000080#000300', 'train', 390)
    """
    columns = (*_COLUMNS, "person_id") if data_set == "vox" else _COLUMNS
    rows: list[TableRow] = []
    lines: dict[tuple[str, str], int] = {}
    for line, fields in _records(path, columns):
        try:
            row = _row(line, fields, data_set)
        except ValueError as error:
            raise DataError(
                f"{path}: line {line}: {one_line(error)}; correct or delete the line"
            ) from None
        first = lines.setdefault((row.partition, row.name), line)
        if first != line:
            raise DataError(
                f"{path}: line {line}: specifies the same clip as line {first} "
                f"({row.partition}/{row.name}); delete one of them"
            )
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: contains no row below its header; download it again")
    return rows


def _records(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Iterate over the rows of the table, each with the number of its last line."""
    table = read_text_table(str(path), _text(path))
    missing = [name for name in columns if name not in table.header]
    if missing:
        raise DataError(
            f"{path}: line 1: has no column {', '.join(missing)}; "
            f"use a table with the columns {','.join(columns)}"
        )
    places = [(name, table.header.index(name)) for name in columns]
    for line, row in table.rows:
        yield line, {name: row[place].strip() for name, place in places}


def _text(path: Path) -> str:
    require_file(path, error=DataError, expected="a CSV file")
    try:
        return decode_text(str(path), path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)})") from None


def _row(line: int, fields: Mapping[str, str], data_set: SetName) -> TableRow:
    """Build a row from its fields.

    Raises:
        ValueError: a field is malformed. The message gives its name.
    """
    video_id = _name(fields, "video_id")
    start, end = _count(fields, "start"), _count(fields, "end")
    if fields["partition"] not in ("train", "test"):
        raise ValueError(f"partition is {fields['partition']!r}, expected train or test")
    persons = [_name(fields, "person_id")] if data_set == "vox" else []
    # The name contains the numbers of the columns, even if the identifier contains the range.
    name = clip_name(*persons, *reversed(video_id.split("#")), start=start, end=end)
    rate = _rate(fields["fps"])
    in_id = _RANGE_IN_ID.fullmatch(video_id)
    if in_id and start == end == 0:
        start, end, rate = int(in_id[1]), int(in_id[2]), _TALK_RATE
    if start >= end:
        raise ValueError(f"the frames {start} to {end} are an empty range")
    return TableRow(
        line,
        video_id.partition("#")[0],
        name,
        "train" if fields["partition"] == "train" else "test",
        start,
        end,
        rate,
        _box(fields["bbox"]),
        _count(fields, "width", least=1),
        _count(fields, "height", least=1),
    )


def _name(fields: Mapping[str, str], column: str) -> str:
    """Return a field that becomes part of a file name."""
    text = fields[column]
    if not text.partition("#")[0] or text.startswith(".") or _UNFIT.search(text):
        raise ValueError(f"{column} is {text!r}, which cannot be part of a file name")
    return text


def _count(fields: Mapping[str, str], column: str, least: int = 0) -> int:
    text = fields[column]
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ValueError(f"{column} is {text!r}, expected a whole number of {least} or more")
    return int(text)


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise ValueError(f"fps is {text!r}, expected a number above 0")
    return rate


def _box(text: str) -> Box:
    if _BOX.fullmatch(text):
        box = Box(*(int(number) for number in text.split("-")))
        if box.left < box.right and box.top < box.bottom:
            return box
    raise ValueError(f"bbox is {text!r}, expected left-top-right-bottom in pixels")
