import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.metrics.extractors import ExtractorInfo
from cpabmm_core.metrics.extractors.cache import FrameCache

INFO = ExtractorInfo("mean", "1", "00ff", "nothing", {"size": "8"})
FILE = "extractors-1.sqlite"


class Counted:
    """The mean and the sum of each frame, and how many frames were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.asked.append(len(frames))
        means = frames.astype(np.float64).mean(axis=(1, 2, 3))
        return np.stack([means, np.where(means > 200, np.nan, means / 3)], axis=1)


def frames(*greys: int, shape: tuple[int, int] = (4, 6)) -> NDArray[np.uint8]:
    return np.stack([np.full((*shape, 3), grey, dtype=np.uint8) for grey in greys])


def quiet(folder: Path | None) -> FrameCache:
    """A cache that must have nothing to say."""
    return FrameCache(folder, pytest.fail)


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_frame_is_measured_once_and_only_missing_ones_go_into_a_batch(
    tmp_path: Path, on_disk: bool
) -> None:
    cache, find = quiet(tmp_path if on_disk else None), Counted()
    for greys in ((1, 2), (2, 3, 1, 250), (250, 1)):
        stack = frames(*greys)
        found = cache.values(INFO, "keypoints", stack, find)
        np.testing.assert_array_equal(found, Counted()(stack))
    assert find.asked == [2, 2]


def test_frames_of_one_content_in_one_batch_are_measured_once() -> None:
    find = Counted()
    found = quiet(None).values(INFO, "keypoints", frames(5, 7, 5, 5), find)
    assert find.asked == [2]
    assert found[:, 0].tolist() == [5, 7, 5, 5]


def test_the_next_run_finds_what_was_kept_to_the_last_bit(tmp_path: Path) -> None:
    first = quiet(tmp_path).values(INFO, "keypoints", frames(1, 250), Counted())
    find = Counted()
    again = quiet(tmp_path).values(INFO, "keypoints", frames(1, 250), find)
    assert find.asked == []
    assert again.tobytes() == first.tobytes()


@pytest.mark.parametrize(
    "other",
    [
        replace(INFO, name="other"),
        replace(INFO, version="2"),
        replace(INFO, weights="11"),
        replace(INFO, options={"size": "9"}),
    ],
    ids=["name", "version", "weights", "options"],
)
def test_another_extractor_has_its_own_entries(tmp_path: Path, other: ExtractorInfo) -> None:
    cache, find = quiet(tmp_path), Counted()
    for info in (INFO, other, replace(INFO, cost="another machine")):
        cache.values(info, "keypoints", frames(1), find)
    assert find.asked == [1, 1]


def test_keypoints_are_not_taken_for_embeddings(tmp_path: Path) -> None:
    cache, find = quiet(tmp_path), Counted()
    for what in ("keypoints", "embeddings"):
        cache.values(INFO, what, frames(1), find)
    assert find.asked == [1, 1]


def test_frames_of_the_same_pixels_and_another_shape_differ(tmp_path: Path) -> None:
    cache, find = quiet(tmp_path), Counted()
    for shape in ((4, 6), (6, 4)):
        cache.values(INFO, "keypoints", frames(1, shape=shape), find)
    assert find.asked == [1, 1]


def test_a_file_that_is_no_database_is_discarded_with_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else\n" * 1000)
    told: list[str] = []
    find = Counted()
    FrameCache(tmp_path, told.append).values(INFO, "keypoints", frames(1), find)
    (line,) = told
    assert line.startswith(f"{tmp_path / FILE}: is damaged")
    assert "\n" not in line
    quiet(tmp_path).values(INFO, "keypoints", frames(1), find)
    assert find.asked == [1]


@pytest.mark.parametrize(
    ("first_damaged_page", "kept"), [(2, True), (20, False)], ids=["on opening", "on reading"]
)
def test_a_database_with_damaged_pages_is_discarded_too(
    tmp_path: Path, first_damaged_page: int, kept: bool
) -> None:
    many = np.zeros((1000, 2, 2, 3), np.uint8)
    many[:, 0, 0, 0], many[:, 1, 0, 0] = np.arange(1000) % 250, np.arange(1000) // 250
    quiet(tmp_path).values(INFO, "keypoints", many, Counted())
    content = bytearray((tmp_path / FILE).read_bytes())
    for page in range(first_damaged_page, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    (tmp_path / FILE).write_bytes(content)
    told: list[str] = []
    found = FrameCache(tmp_path, told.append).values(INFO, "keypoints", many, Counted())
    np.testing.assert_array_equal(found, Counted()(many))
    (line,) = told
    assert "is damaged" in line
    find = Counted()
    quiet(tmp_path).values(INFO, "keypoints", many, find)
    assert find.asked == ([] if kept else [1000])


def test_a_folder_that_cannot_be_used_is_one_line_and_memory_does(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told: list[str] = []
    cache, find = FrameCache(tmp_path / "file" / "cache", told.append), Counted()
    for _ in range(2):
        cache.values(INFO, "keypoints", frames(1), find)
    assert find.asked == [1]
    (line,) = told
    assert "what is found in frames is not kept there" in line


def test_a_full_file_drops_the_oldest_and_does_not_grow(tmp_path: Path) -> None:
    limit = 40_000
    cache = FrameCache(tmp_path, pytest.fail, max_bytes=limit)
    wide = Counted()

    def find(stack: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.repeat(wide(stack), 32, axis=1)  # 512 bytes a frame

    for grey in range(200):
        cache.values(INFO, "keypoints", frames(grey), find)
    assert (tmp_path / FILE).stat().st_size < 2 * limit
    cache.values(INFO, "keypoints", frames(199), find)
    assert sum(wide.asked) == 200
    cache.values(INFO, "keypoints", frames(0), find)
    assert sum(wide.asked) == 201


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import numpy as np
from cpabmm_core.metrics.extractors import ExtractorInfo
from cpabmm_core.metrics.extractors.cache import FrameCache
def fail(line):
    raise SystemExit(line)
cache = FrameCache(Path(sys.argv[1]), fail)
info = ExtractorInfo("mean", "1", "00ff", "nothing", {"size": "8"})
for grey in range(int(sys.argv[2]), 120, 2):
    stack = np.full((1, 4, 6, 3), grey, np.uint8)
    cache.values(info, "keypoints", stack, lambda f: np.full((1, 2), float(grey)))
"""
    commands = [[sys.executable, "-c", code, str(tmp_path), str(rank)] for rank in range(2)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in processes] == [0, 0]
    find = Counted()
    found = quiet(tmp_path).values(INFO, "keypoints", frames(*range(120)), find)
    assert find.asked == []
    assert found[:, 0].tolist() == list(range(120))
    with sqlite3.connect(tmp_path / FILE) as table:
        assert table.execute("SELECT COUNT(*) FROM found").fetchone() == (120,)
