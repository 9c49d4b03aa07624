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


class CountingExtractor:
    """Compute two numbers per frame, and record the number of frames of each call."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.calls.append(len(frames))
        means = frames.astype(np.float64).mean(axis=(1, 2, 3))
        return np.stack([means, np.where(means > 200, np.nan, means / 3)], axis=1)


def frames(*greys: int, shape: tuple[int, int] = (4, 6)) -> NDArray[np.uint8]:
    return np.stack([np.full((*shape, 3), grey, dtype=np.uint8) for grey in greys])


def quiet(folder: Path | None) -> FrameCache:
    """A cache that fails the test if it sends a status message."""
    return FrameCache(folder, pytest.fail)


@pytest.mark.parametrize("on_disk", [True, False])
def test_each_frame_is_computed_once(tmp_path: Path, on_disk: bool) -> None:
    cache, extract = quiet(tmp_path if on_disk else None), CountingExtractor()
    for greys in ((1, 2), (2, 3, 1, 250), (250, 1)):
        stack = frames(*greys)
        found = cache.compute(INFO, "keypoints", stack, extract)
        np.testing.assert_array_equal(found, CountingExtractor()(stack))
    assert extract.calls == [2, 2]


def test_equal_frames_in_a_batch_are_computed_once() -> None:
    extract = CountingExtractor()
    found = quiet(None).compute(INFO, "keypoints", frames(5, 7, 5, 5), extract)
    assert extract.calls == [2]
    assert found[:, 0].tolist() == [5, 7, 5, 5]


def test_the_next_run_reads_identical_results(tmp_path: Path) -> None:
    first = quiet(tmp_path).compute(INFO, "keypoints", frames(1, 250), CountingExtractor())
    extract = CountingExtractor()
    again = quiet(tmp_path).compute(INFO, "keypoints", frames(1, 250), extract)
    assert extract.calls == []
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
def test_extractors_have_separate_entries(tmp_path: Path, other: ExtractorInfo) -> None:
    cache, extract = quiet(tmp_path), CountingExtractor()
    for info in (INFO, other, replace(INFO, cost="another machine")):
        cache.compute(info, "keypoints", frames(1), extract)
    assert extract.calls == [1, 1]


def test_keypoints_and_embeddings_have_separate_entries(tmp_path: Path) -> None:
    cache, extract = quiet(tmp_path), CountingExtractor()
    for kind in ("keypoints", "embeddings"):
        cache.compute(INFO, kind, frames(1), extract)
    assert extract.calls == [1, 1]


def test_frames_of_different_shapes_have_separate_entries(tmp_path: Path) -> None:
    cache, extract = quiet(tmp_path), CountingExtractor()
    for shape in ((4, 6), (6, 4)):
        cache.compute(INFO, "keypoints", frames(1, shape=shape), extract)
    assert extract.calls == [1, 1]


def test_a_file_that_is_not_a_database_is_discarded(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"something else\n" * 1000)
    messages: list[str] = []
    extract = CountingExtractor()
    FrameCache(tmp_path, messages.append).compute(INFO, "keypoints", frames(1), extract)
    (message,) = messages
    assert message.startswith(f"{tmp_path / FILE}: was damaged")
    assert "\n" not in message
    quiet(tmp_path).compute(INFO, "keypoints", frames(1), extract)
    assert extract.calls == [1]


@pytest.mark.parametrize(
    ("first_damaged_page", "kept"), [(2, True), (20, False)], ids=["on opening", "on reading"]
)
def test_a_database_with_damaged_pages_is_discarded(
    tmp_path: Path, first_damaged_page: int, kept: bool
) -> None:
    many = np.zeros((1000, 2, 2, 3), np.uint8)
    many[:, 0, 0, 0], many[:, 1, 0, 0] = np.arange(1000) % 250, np.arange(1000) // 250
    quiet(tmp_path).compute(INFO, "keypoints", many, CountingExtractor())
    content = bytearray((tmp_path / FILE).read_bytes())
    for page in range(first_damaged_page, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    (tmp_path / FILE).write_bytes(content)
    messages: list[str] = []
    found = FrameCache(tmp_path, messages.append).compute(
        INFO, "keypoints", many, CountingExtractor()
    )
    np.testing.assert_array_equal(found, CountingExtractor()(many))
    (message,) = messages
    assert "was damaged" in message
    extract = CountingExtractor()
    quiet(tmp_path).compute(INFO, "keypoints", many, extract)
    assert extract.calls == ([] if kept else [1000])


def test_an_unusable_folder_causes_one_message_and_results_stay_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    messages: list[str] = []
    cache, extract = FrameCache(tmp_path / "file" / "cache", messages.append), CountingExtractor()
    for _ in range(2):
        cache.compute(INFO, "keypoints", frames(1), extract)
    assert extract.calls == [1]
    (message,) = messages
    assert "the cache is unusable" in message


def test_a_full_cache_drops_the_oldest_entries(tmp_path: Path) -> None:
    limit = 40_000
    cache = FrameCache(tmp_path, pytest.fail, max_bytes=limit)
    wide = CountingExtractor()

    def extract(stack: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.repeat(wide(stack), 32, axis=1)  # 512 bytes per frame

    for grey in range(200):
        cache.compute(INFO, "keypoints", frames(grey), extract)
    assert (tmp_path / FILE).stat().st_size < 2 * limit
    cache.compute(INFO, "keypoints", frames(199), extract)
    assert sum(wide.calls) == 200
    cache.compute(INFO, "keypoints", frames(0), extract)
    assert sum(wide.calls) == 201


def test_several_processes_write_concurrently(tmp_path: Path) -> None:
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
    cache.compute(info, "keypoints", stack, lambda f: np.full((1, 2), float(grey)))
"""
    commands = [[sys.executable, "-c", code, str(tmp_path), str(rank)] for rank in range(2)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in processes] == [0, 0]
    extract = CountingExtractor()
    found = quiet(tmp_path).compute(INFO, "keypoints", frames(*range(120)), extract)
    assert extract.calls == []
    assert found[:, 0].tolist() == list(range(120))
    with sqlite3.connect(tmp_path / FILE) as table:
        assert table.execute("SELECT COUNT(*) FROM found").fetchone() == (120,)
