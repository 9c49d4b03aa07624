"""A file answers FFmpeg so that a hostile one costs little, and nothing is ever printed."""

import errno
import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from _helpers.bounded_reading import BoundedReading
from _helpers.media_files import write_test_video
from _helpers.odd_files.display import make_empty_samples
from _helpers.odd_files.hostile_videos import EMPTY_STARTS, make_asf_of_far_positions

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import FrameIndex, VideoReader, decoding, unnamed_file
from cpabmm_core.media.video.library_calls import UnnamedError
from cpabmm_core.media.video.unnamed_file import BUFFER_SIZE, UnnamedFile

_GIGABYTE = 2**30
_MOST_SECONDS = 10


def _count(path: Path) -> int:
    with VideoReader(path) as reader:
        return sum(1 for _ in reader)


def test_a_position_that_cannot_exist_is_an_error_code() -> None:
    file = UnnamedFile(io.BytesIO(b"abc"))
    assert file.seek(-1) == -errno.EINVAL
    assert file.seek(1) == 1
    assert file.read(2) == b"bc"


def test_only_the_first_failure_to_read_is_raised() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "broken")

    file = UnnamedFile(Broken(b"abc"))
    with pytest.raises(OSError, match="broken"):
        file.read(1)
    assert file.read(1) == b""


def test_large_packets_do_not_count_as_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unnamed_file, "_MOST_TO_OPEN", 100)
    file = UnnamedFile(io.BytesIO(bytes(10 * BUFFER_SIZE)))
    assert len(file.read(BUFFER_SIZE + 1)) == BUFFER_SIZE + 1
    assert len(file.read(100)) == 100
    with pytest.raises(UnnamedError, match="is not a readable video"):
        file.read(1)


@pytest.mark.skipif(os.name == "nt", reason="sparse files need other calls on Windows")
@pytest.mark.parametrize("reader", [VideoReader, FrameIndex])
@pytest.mark.parametrize("name", EMPTY_STARTS)
def test_a_gigabyte_of_nothing_costs_seconds(
    tmp_path: Path, name: str, reader: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    path.write_bytes(EMPTY_STARTS[name])
    os.truncate(path, _GIGABYTE)
    start = time.process_time()
    with pytest.raises(MediaError, match=r"is not a readable video \(64 MB of it hold none\)"):
        reader(path)
    assert time.process_time() - start < _MOST_SECONDS


@pytest.mark.parametrize("reader", [_count, FrameIndex])
def test_packets_without_frame_end_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Callable[[Path], object]
) -> None:
    for module in ("decoding", "packet_list"):
        monkeypatch.setattr(f"cpabmm_core.media.video.{module}.MOST_WITHOUT_FRAME", 1)
    path = tmp_path / "samples.mp4"
    make_empty_samples(path)
    with pytest.raises(MediaError, match=r"damaged after 3 frames \(1 packets hold no frame"):
        reader(path)


def test_packets_with_frames_are_not_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MOST_WITHOUT_FRAME", 15)
    path = tmp_path / "long.mp4"
    write_test_video(path, frames=60)
    assert _count(path) == 60


def test_a_list_that_is_too_long_is_replaced_by_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.mp4"
    write_test_video(path, frames=9)
    expected = FrameIndex(path).read([8])[0]
    monkeypatch.setattr("cpabmm_core.media.video.packet_list._LONGEST", 5)
    index = FrameIndex(path)
    assert len(index) == 9
    assert (index.read([8])[0] == expected).all()


@pytest.mark.skipif(sys.platform != "linux", reason="the child needs Linux")
def test_positions_outside_a_file_print_nothing(tmp_path: Path) -> None:
    path = tmp_path / "far.asf"
    make_asf_of_far_positions(path)
    with BoundedReading() as bounded:
        for reader in ("read_video", "read_by_number"):
            bounded.check(f"_helpers.whole_readers:{reader}", path, exit_code=3, may_succeed=True)
