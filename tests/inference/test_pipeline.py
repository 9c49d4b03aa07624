"""Threads that read ahead and write behind: order, errors, bounds, and the end of every thread."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from cpabmm_core.errors import ConfigError, MediaError, ResourceError
from cpabmm_core.inference.pipeline import WriteBehind, Writer, read_ahead
from cpabmm_core.media.notices import notify, show_notices

WAIT = 10.0
"""Seconds after which a test fails instead of waiting for something that never happens."""


@pytest.fixture(autouse=True)
def _no_thread_survives() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(WAIT)
    assert not [thread for thread in left if thread.is_alive()]


class Source:
    """Counts up and records how far it was read, in which thread, and whether it was closed."""

    def __init__(self, count: int, *, error: BaseException | None = None) -> None:
        self.count, self.error = count, error
        self.read = 0
        self.closed = False
        self.progress = threading.Condition()
        self.threads: set[threading.Thread] = set()

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                with self.progress:
                    self.read = number + 1
                    self.threads.add(threading.current_thread())
                    self.progress.notify_all()
                yield number
            if self.error:
                raise self.error
        finally:
            self.closed = True

    def wait_until_read(self, count: int) -> None:
        with self.progress:
            assert self.progress.wait_for(lambda: self.read >= count, WAIT)


class Sink:
    """Records what is written; waits at each item for `release` if it is slow."""

    def __init__(self, *, fail_at: int | None = None, slow: bool = False) -> None:
        self.written: list[tuple[Any, ...]] = []
        self.fail_at = fail_at
        self.free = threading.Semaphore(0) if slow else None
        self.threads: set[threading.Thread] = set()

    def write(self, *arguments: object) -> None:
        self.threads.add(threading.current_thread())
        if self.free:
            assert self.free.acquire(timeout=WAIT)
        if self.fail_at == len(self.written):
            raise ResourceError("out.mp4: the disk is full")
        self.written.append(arguments)


def read_into(taken: list[Any], items: Iterable[Any], size: int) -> None:
    with read_ahead(items, size) as ahead:
        for item in ahead:
            taken.append(item)


def leave_reading(items: Iterable[Any], error: BaseException) -> None:
    with read_ahead(items, 2) as ahead:
        next(ahead)
        raise error


def write_numbers(
    writer: Writer, size: int, count: int, error: BaseException | None = None
) -> None:
    with WriteBehind(writer, size) as behind:
        for number in range(count):
            behind.write(number)
        if error:
            raise error


def test_items_come_in_order_from_another_thread() -> None:
    source = Source(100)
    with read_ahead(source, 3) as items:
        assert list(items) == list(range(100))
    assert source.closed
    assert threading.current_thread() not in source.threads


def test_nothing_to_read() -> None:
    taken: list[int] = []
    read_into(taken, [], 1)
    assert taken == []


@pytest.mark.parametrize("size", [1, 4])
def test_a_slow_consumer_bounds_what_is_read(size: int) -> None:
    source = Source(1000)
    with read_ahead(source, size) as items:
        for taken in range(1, 20):
            next(items)
            source.wait_until_read(taken + size + 1)  # one more is in the thread's hands
            time.sleep(0.002)  # a reader without a bound would go on meanwhile
            assert source.read == taken + size + 1


def test_a_slow_producer_delays_only_its_consumer() -> None:
    def slow() -> Iterator[int]:
        for number in range(5):
            time.sleep(0.01)
            yield number

    with read_ahead(slow(), 4) as items:
        assert list(items) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "error", [MediaError("a.mp4: damaged after 3 frames"), MemoryError(), KeyboardInterrupt()]
)
def test_the_error_of_the_source_comes_after_the_items_before_it(error: BaseException) -> None:
    taken: list[int] = []
    with pytest.raises(type(error)) as caught:
        read_into(taken, Source(3, error=error), 8)
    assert caught.value is error
    assert taken == [0, 1, 2]


def test_an_object_that_cannot_be_read_is_an_error_too() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        read_into([], 7, 1)  # type: ignore[arg-type]


class Stopped(BaseException):
    """Not an `Exception`, like `KeyboardInterrupt` and the signal of the command line."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stopped, GeneratorExit])
def test_leaving_early_stops_the_thread_and_closes_the_source(error: type[BaseException]) -> None:
    source = Source(10**9)
    started = time.monotonic()
    with pytest.raises(error):
        leave_reading(source, error())
    assert source.closed
    assert source.read <= 4
    assert time.monotonic() - started < 4


def test_a_closed_generator_stops_the_thread() -> None:
    source = Source(10**9)

    def doubled() -> Iterator[int]:
        with read_ahead(source, 2) as items:
            for number in items:
                yield 2 * number

    generator = doubled()
    assert [next(generator), next(generator)] == [0, 2]
    generator.close()  # type: ignore[attr-defined]
    assert source.closed


def test_leaving_wakes_a_thread_that_waits_for_room() -> None:
    source = Source(10**9)
    with read_ahead(source, 1):
        source.wait_until_read(2)
    assert source.closed


def test_the_iterator_ends_after_leaving() -> None:
    with read_ahead(Source(10), 4) as items:
        assert next(items) == 0
    assert list(items) == []


def test_an_error_while_the_source_is_closed_surfaces_after_the_last_item() -> None:
    class Closing:
        def __init__(self) -> None:
            self.numbers = iter(range(2))

        def __iter__(self) -> "Closing":
            return self

        def __next__(self) -> int:
            return next(self.numbers)

        def close(self) -> None:
            raise MediaError("pipe: the program before it failed")

    taken: list[int] = []
    with pytest.raises(MediaError, match="the program before"):
        read_into(taken, Closing(), 4)
    assert taken == [0, 1]


def test_a_stalled_source_does_not_hold_up_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpabmm_core.inference.pipeline._PATIENCE", 0.05)
    go_on = threading.Event()

    def stalled() -> Iterator[int]:
        yield 0
        go_on.wait(WAIT)

    started = time.monotonic()
    with read_ahead(stalled(), 4) as items:
        next(items)
    assert time.monotonic() - started < 4
    go_on.set()


def test_a_source_that_can_be_stopped_is_left_at_once() -> None:
    arrived = threading.Event()

    def waiting() -> Iterator[int]:
        yield 0
        arrived.wait(WAIT)

    started = time.monotonic()
    with read_ahead(waiting(), 4, stop=arrived.set) as items:
        next(items)
    assert time.monotonic() - started < 4


def test_a_source_that_has_ended_is_not_stopped() -> None:
    source, calls = Source(2), []
    with read_ahead(source, 4, stop=lambda: calls.append(1)) as items:
        assert list(items) == [0, 1]
        [thread] = source.threads
        thread.join(WAIT)
    assert not calls


def test_notices_of_the_source_reach_the_caller() -> None:
    def noticing() -> Iterator[int]:
        notify("a.jpg: read at half its size")
        yield 0

    notices: list[str] = []
    with show_notices(notices.append), read_ahead(noticing(), 1) as items:
        list(items)
    assert notices == ["a.jpg: read at half its size"]


class Picture:
    """Something large."""


def test_the_queue_keeps_no_item_that_was_taken() -> None:
    taken: list[weakref.ref[Picture]] = []
    hold = threading.Event()

    def pictures() -> Iterator[Picture]:
        yield Picture()
        hold.wait(WAIT)
        yield Picture()

    with read_ahead(pictures(), 1) as items:
        taken.append(weakref.ref(next(items)))
        gc.collect()
        hold.set()
        next(items)  # the thread has let go of the first one by now
        gc.collect()
        assert taken[0]() is None


def test_everything_is_written_in_order_by_another_thread() -> None:
    sink = Sink()
    with WriteBehind(sink, 3) as behind:
        for number in range(100):
            behind.write(number, -number)
    assert sink.written == [(number, -number) for number in range(100)]
    assert threading.current_thread() not in sink.threads


@pytest.mark.parametrize("size", [1, 4])
def test_a_slow_writer_bounds_what_waits(size: int) -> None:
    sink = Sink(slow=True)
    assert sink.free
    accepted = 0

    def produce() -> None:
        nonlocal accepted
        with WriteBehind(sink, size) as behind:
            for number in range(30):
                behind.write(number)
                accepted = number + 1

    producer = threading.Thread(target=produce)
    producer.start()
    for released in range(29 - size):
        deadline = time.monotonic() + WAIT
        while accepted < released + size + 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.002)
        assert accepted == released + size + 1  # `size` wait and one is being written
        sink.free.release()
    sink.free.release(1 + size)
    producer.join(WAIT)
    assert [number for (number,) in sink.written] == list(range(30))


def test_the_error_of_the_writer_reaches_the_next_write() -> None:
    sink = Sink(fail_at=2)
    with pytest.raises(ResourceError, match="the disk is full"):
        write_numbers(sink, 1, 10**6)
    assert sink.written == [(0,), (1,)]


def test_the_error_of_the_last_write_surfaces_on_closing() -> None:
    behind = WriteBehind(Sink(fail_at=2), 8)
    for number in range(3):
        behind.write(number)
    with pytest.raises(ResourceError, match="the disk is full"):
        behind.close()


def test_a_waiting_write_learns_of_the_error() -> None:
    sink = Sink(slow=True, fail_at=0)
    assert sink.free
    threading.Timer(0.05, sink.free.release).start()
    with pytest.raises(ResourceError):
        write_numbers(sink, 1, 3)  # the third has to wait for room


def test_a_closed_pipe_keeps_its_type() -> None:
    class Pipe:
        def write(self, _: object) -> None:
            raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        write_numbers(Pipe(), 2, 100)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stopped])
def test_an_exception_drops_what_waits(error: type[BaseException]) -> None:
    sink = Sink(slow=True)
    assert sink.free
    threading.Timer(0.1, sink.free.release, [8]).start()
    with pytest.raises(error):
        write_numbers(sink, 8, 8, error())
    assert len(sink.written) <= 1


def test_the_exception_of_the_caller_hides_that_of_the_writer() -> None:
    with pytest.raises(ValueError, match="first"):
        write_numbers(Sink(fail_at=0), 8, 1, ValueError("first"))


def test_writing_after_the_end_is_an_error() -> None:
    behind = WriteBehind(Sink(), 1)
    behind.close()
    with pytest.raises(ValueError, match="takes no more items"):
        behind.write(0)


def test_notices_of_the_writer_reach_the_caller() -> None:
    class Noticing:
        def write(self, text: str) -> None:
            notify(text)

    notices: list[str] = []
    with show_notices(notices.append), WriteBehind(Noticing(), 1) as behind:
        behind.write("the sound is re-encoded")
    assert notices == ["the sound is re-encoded"]


@pytest.mark.parametrize("size", [0, -1])
def test_a_queue_needs_room(size: int) -> None:
    with pytest.raises(ConfigError, match=f"size: expected 1 or more, got {size}"):
        WriteBehind(Sink(), size)
    with pytest.raises(ConfigError), read_ahead([], size):
        pass


CTRL_C = """
import signal, sys, threading, time
sys.path.insert(0, {root!r})
from cpabmm_core.inference.pipeline import WriteBehind, read_ahead

class Writer:
    def write(self, number):
        time.sleep({write})

def numbers():
    try:
        number = 0
        while True:
            yield number
            number += 1
            time.sleep({read})
    finally:
        print("closed", flush=True)

try:
    with read_ahead(numbers(), 2) as items, WriteBehind(Writer(), 2) as behind:
        threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
        for number in items:
            behind.write(number)
except KeyboardInterrupt:
    print("interrupted", threading.active_count(), flush=True)
"""


@pytest.mark.parametrize(
    ("read", "write"), [(0.0, 0.05), (0.05, 0.0)], ids=["waits for writer", "waits for reader"]
)
def test_ctrl_c_is_prompt(read: float, write: float, request: pytest.FixtureRequest) -> None:
    code = CTRL_C.format(root=str(request.config.rootpath), read=read, write=write)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines() == ["closed", "interrupted 1"], done.stderr
    assert done.stderr == ""
    assert done.returncode == 0
    assert time.monotonic() - started < 30


def test_waiting_takes_no_processor_time() -> None:
    """A busy wait would take as long as the wait itself."""

    def late() -> Iterator[int]:
        time.sleep(0.3)
        yield 0

    started = time.process_time()
    with read_ahead(late(), 1) as items:
        list(items)
    assert time.process_time() - started < 0.15


def test_reading_computing_and_writing_overlap() -> None:
    """Item n + 2 is read, n + 1 used and n written at one time, or the barrier breaks."""
    count, together = 10, threading.Barrier(3, timeout=WAIT)

    def read() -> Iterator[int]:
        for number in range(count):
            if number >= 2:
                together.wait()
            yield number

    class Meeting:
        def write(self, number: int) -> None:
            if number < count - 2:
                together.wait()

    with read_ahead(read(), 1) as items, WriteBehind(Meeting(), 1) as behind:
        for number in items:
            if 1 <= number < count - 1:
                together.wait()
            behind.write(number)
