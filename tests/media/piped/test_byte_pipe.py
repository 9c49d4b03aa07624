import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from _helpers.media_files import write_test_video
from _helpers.pipes import piped

from cpabmm_core.media import open_driving
from cpabmm_core.media.piped import BytePipe


def test_reading_returns_what_has_arrived() -> None:
    with piped([b"abc"], stalls=True) as (stream, _), BytePipe(stream, "pipe") as pipe:
        assert pipe.read(1000) == b"abc"


def test_peeking_consumes_nothing() -> None:
    with piped([b"ab", b"cd", b"ef"]) as (stream, _), BytePipe(stream, "pipe") as pipe:
        assert pipe.peek(3)[:3] == b"abc"
        assert pipe.peek(100) == b"abcdef"
        assert pipe.has_ended
        assert [pipe.read(4), pipe.read(4), pipe.read(4)] == [b"abcd", b"ef", b""]


def test_stream_without_a_descriptor_is_read_as_well() -> None:
    with BytePipe(io.BytesIO(b"abcdef"), "bytes") as pipe:
        assert pipe.peek(2)[:2] == b"ab"
        assert pipe.read(10) == b"abcdef"
        assert pipe.read(10) == b""


def test_non_blocking_pipe_is_waited_for() -> None:
    with piped([b"a", b"b"], delay=0.1) as (stream, _), BytePipe(stream, "pipe") as pipe:
        os.set_blocking(stream.fileno(), False)
        assert pipe.read(1) == b"a"
        assert pipe.read(1) == b"b"


def test_stop_ends_a_read_that_waits() -> None:
    with piped([], stalls=True) as (stream, _), BytePipe(stream, "pipe") as pipe:
        threading.Timer(0.2, pipe.stop).start()
        started = time.monotonic()
        assert pipe.read(10) == b""
        assert time.monotonic() - started < 10
        assert not pipe.has_ended


@pytest.fixture(scope="module")
def half_a_video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("pipe") / "a.mkv"
    data = write_test_video(path, frames=200, size=(160, 120), codec="mpeg4").read_bytes()
    return data[: len(data) // 2]


def test_leaving_ends_an_iteration_in_another_thread(half_a_video: bytes) -> None:
    """The thread that reads ahead waits for a stalled pipe when the run fails elsewhere."""
    count: list[int] = []
    with piped([half_a_video], stalls=True) as (stream, writer):
        with open_driving("-", stdin=stream) as frames:
            thread = threading.Thread(target=lambda: count.append(sum(1 for _ in frames)))
            thread.start()
            time.sleep(0.3)
            assert thread.is_alive()
        thread.join(10)
        assert not thread.is_alive()
        assert not writer.hold.is_set()
    assert count[0] > 20


def test_stop_ends_the_video_in_order(half_a_video: bytes) -> None:
    with (
        piped([half_a_video], stalls=True) as (stream, _),
        open_driving("-", stdin=stream) as frames,
    ):
        threading.Timer(0.3, frames.stop).start()
        times = [frame.pts for frame in frames]
    assert times == sorted(set(times))
    assert len(times) > 5


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "SystemExit")]
)
def test_signal_during_a_stalled_pipe_is_raised_at_once(
    half_a_video: bytes, number: signal.Signals, code: str
) -> None:
    """FFmpeg, which calls the read function, would drop it."""
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "from cpabmm_core.media import open_driving\n"
        "try:\n"
        "    with open_driving('-') as frames:\n"
        "        for frame in frames:\n"
        "            print('frame', flush=True)\n"
        "except BaseException as error:\n"
        "    print(type(error).__name__, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(half_a_video)
    process.stdin.flush()
    assert process.stdout.readline() == b"frame\n"
    time.sleep(0.3)
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert rest.split()[-1].decode() == code
    assert errors == b""
