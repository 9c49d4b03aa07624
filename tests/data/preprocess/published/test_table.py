"""Reading published tables: every field, and one line per error."""

from fractions import Fraction
from pathlib import Path

import pytest

from cpabmm_core.data.preprocess.boxes import Box
from cpabmm_core.data.preprocess.published.table import SetName, TableRow, read_table
from cpabmm_core.errors import DataError

HEADER = "video_id,start,end,bbox,fps,width,height,partition"
FIRST = "AAAAAAAAAAA,80,300,118-82-508-472,29.97,640,480,train"
TED = "AAAAAAAAAAA#016609#016737,0,0,104-10-665-570,10.0,944,944,train"
VOX = "-AAAAAAAAAA,3657,3994,624-48-1018-553,25,1280,720,test,id00001"


def table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def fails(path: Path, words: str, data_set: SetName = "taichi") -> None:
    with pytest.raises(DataError) as caught:
        read_table(path, data_set)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message


def test_a_taichi_row_is_read(tmp_path: Path) -> None:
    assert read_table(table(tmp_path, FIRST), "taichi") == [
        TableRow(
            line=2,
            video="AAAAAAAAAAA",
            name="AAAAAAAAAAA#000080#000300",
            partition="train",
            start=80,
            end=300,
            rate=Fraction(2997, 100),
            box=Box(118, 82, 508, 472),
            width=640,
            height=480,
        )
    ]


def test_the_name_of_a_vox_row_begins_with_the_person(tmp_path: Path) -> None:
    (row,) = read_table(table(tmp_path, VOX, header=f"{HEADER},person_id"), "vox")
    assert (row.video, row.name) == ("-AAAAAAAAAA", "id00001#-AAAAAAAAAA#003657#003994")
    assert row.partition == "test"
    assert row.rate == 25
    assert row.line == 2


def test_a_ted_row_has_its_range_in_the_id_at_25_frames_per_second(tmp_path: Path) -> None:
    (row,) = read_table(table(tmp_path, TED), "ted")
    assert (row.video, row.start, row.end) == ("AAAAAAAAAAA", 16609, 16737)
    assert row.rate == 25
    assert row.name == "016737#016609#AAAAAAAAAAA#000000#000000"


def test_a_ted_row_may_have_its_range_in_the_columns(tmp_path: Path) -> None:
    line = "AAAAAAAAAAA,16609,16737,104-10-665-570,25.0,944,944,train"
    (row,) = read_table(table(tmp_path, line), "ted")
    assert (row.start, row.end, row.name) == (16609, 16737, "AAAAAAAAAAA#016609#016737")


def test_byte_order_mark_extra_columns_and_spaces_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "tablé.csv"
    text = f"\N{BYTE ORDER MARK},{HEADER},note\r\n0, {FIRST} ,é\r\n\r\n1,{VOX},\r\n"
    path.write_bytes(text.replace(",id00001", "").encode())
    assert [(row.video, row.line) for row in read_table(path, "taichi")] == [
        ("AAAAAAAAAAA", 2),
        ("-AAAAAAAAAA", 4),
    ]


def test_a_video_may_occur_in_several_rows_and_partitions(tmp_path: Path) -> None:
    other = FIRST.replace(",80,", ",81,")
    held_out = FIRST.replace("train", "test")
    rows = read_table(table(tmp_path, FIRST, other, held_out), "taichi")
    assert [row.partition for row in rows] == ["train", "train", "test"]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("video_id", "", "video_id is ''"),
        ("video_id", "../secret", "cannot be part of a file name"),
        ("video_id", "a/b", "cannot be part of a file name"),
        ("video_id", "#1#2", "cannot be part of a file name"),
        ("start", "-80", "start is '-80', expected a whole number"),
        ("start", "80.5", "start is '80.5'"),
        ("end", "", "end is ''"),
        ("end", "80", "the frames 80 to 80 are an empty range"),
        ("bbox", "118-82-508", "bbox is '118-82-508', expected left-top-right-bottom"),
        ("bbox", "118--82-508-472", "bbox is"),
        ("bbox", "118-82-118-472", "bbox is"),
        ("bbox", "118-472-508-82", "bbox is"),
        ("fps", "0", "fps is '0'"),
        ("fps", "nan", "fps is 'nan'"),
        ("fps", "1/0", "fps is '1/0'"),
        ("width", "0", "width is '0', expected a whole number of 1 or more"),
        ("height", "tall", "height is 'tall'"),
        ("partition", "val", "partition is 'val', expected train or test"),
    ],
)
def test_a_malformed_field_is_named_with_its_line(
    tmp_path: Path, column: str, value: str, words: str
) -> None:
    fields = dict(zip(HEADER.split(","), FIRST.split(","), strict=True)) | {column: value}
    path = table(tmp_path, FIRST.replace("80", "70", 1), ",".join(fields.values()))
    fails(path, words)
    fails(path, f"{path}: line 3: ")


def test_a_file_that_is_not_a_table_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    fails(path, "no such file")
    path.touch()
    fails(path, "is empty")
    path.write_text("\n<!DOCTYPE html><html>not found</html>\n")
    fails(path, "is a web page")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    fails(path, "Git LFS pointer")
    path.write_bytes(f"{HEADER}\n{FIRST}\n".encode() + b"\xff\xfe\n")
    fails(path, "line 3 is not UTF-8")


def test_missing_rows_or_columns_are_an_error(tmp_path: Path) -> None:
    fails(table(tmp_path), "contains no row below its header")
    fails(table(tmp_path, FIRST), "line 1: has no column person_id", "vox")
    fails(table(tmp_path, FIRST, header=HEADER.replace("fps", "rate")), "has no column fps")


def test_too_many_or_too_few_fields_are_an_error(tmp_path: Path) -> None:
    columns = HEADER.count(",") + 1
    for row in (f"{FIRST},more", FIRST[:30]):
        fails(table(tmp_path, FIRST, row), f"line 3 has {row.count(',') + 1} fields")
        fails(table(tmp_path, FIRST, row), f"the first row names {columns} columns")


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = table(tmp_path, FIRST)
    rows = read_table(path, "taichi")
    text = path.read_text().replace(",", ";").replace("\n", ";;\r\n")
    path.write_bytes(text.encode("utf-16"))
    assert read_table(path, "taichi") == rows


def test_an_unclosed_quote_is_an_error(tmp_path: Path) -> None:
    fails(table(tmp_path, FIRST, f'"{FIRST}'), "line 3: ")


def test_two_rows_for_one_clip_are_an_error(tmp_path: Path) -> None:
    other_box = FIRST.replace("118-82-508-472", "168-99-488-419")
    path = table(tmp_path, FIRST, VOX.replace(",id00001", ""), other_box)
    fails(
        path, f"{path}: line 4: specifies the same clip as line 2 (train/AAAAAAAAAAA#000080#000300)"
    )
