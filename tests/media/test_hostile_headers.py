"""Tiny files whose headers announce huge things end in one line, in little time and memory."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _helpers.bounded_reading import BoundedReading
from _helpers.odd_files.hostile_pictures import HEAVY_PICTURES, HOSTILE_PICTURES
from _helpers.odd_files.hostile_videos import HOSTILE_VIDEOS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the peak memory of a part of a process"
)
_BAD_INPUT = 3
PICTURE_READERS = (
    "cpabmm_core.media.image:read_image",
    "cpabmm_core.media.video:read_source",
    "_helpers.whole_readers:find_damage",
)
VIDEO_READERS = (
    "_helpers.whole_readers:read_video",
    "_helpers.whole_readers:read_by_number",
    "_helpers.whole_readers:find_damage",
    "cpabmm_core.media.video:read_source",
    "cpabmm_core.media:is_lossless",
)


@pytest.fixture(scope="module")
def bounded() -> Iterator[BoundedReading]:
    with BoundedReading() as reading:
        yield reading


@pytest.mark.parametrize("name", HOSTILE_PICTURES)
@pytest.mark.parametrize("reader", PICTURE_READERS)
def test_pictures_of_huge_size_are_refused(
    bounded: BoundedReading, tmp_path: Path, name: str, reader: str
) -> None:
    HOSTILE_PICTURES[name](tmp_path / name)
    bounded.check(reader, tmp_path / name, exit_code=_BAD_INPUT)


@pytest.mark.parametrize("name", HEAVY_PICTURES)
@pytest.mark.parametrize(
    "reader", ["cpabmm_core.media.image:read_image", "cpabmm_core.media.video:read_source"]
)
def test_heavy_parts_cost_little_where_only_one_picture_is_read(
    bounded: BoundedReading, tmp_path: Path, name: str, reader: str
) -> None:
    HEAVY_PICTURES[name](tmp_path / name)
    bounded.check(reader, tmp_path / name, exit_code=_BAD_INPUT, may_succeed=True)


@pytest.mark.parametrize("name", ["loop.tif", "pages.tif", "strips.tif"])
def test_pages_of_a_stack_cost_little(bounded: BoundedReading, tmp_path: Path, name: str) -> None:
    {**HEAVY_PICTURES, **HOSTILE_PICTURES}[name](tmp_path / name)
    reader = "_helpers.whole_readers:read_pages"
    bounded.check(reader, tmp_path / name, exit_code=_BAD_INPUT, may_succeed=True)


@pytest.mark.parametrize("name", HOSTILE_VIDEOS)
@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_videos_that_announce_too_much_cost_little(
    bounded: BoundedReading, tmp_path: Path, name: str, reader: str
) -> None:
    HOSTILE_VIDEOS[name](tmp_path / name)
    bounded.check(reader, tmp_path / name, exit_code=_BAD_INPUT, may_succeed=True)
