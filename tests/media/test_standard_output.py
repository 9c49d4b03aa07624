"""Outputs on standard output, read from the other end of a pipe."""

import io
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import number_of, numbered_frame, write_test_video
from _helpers.piped_output import piped_output
from PIL import Image

from cpabmm_core.errors import OutputClosedError, ResourceError
from cpabmm_core.media import SoundReport, output_target
from cpabmm_core.media.video.formats import CONTAINERS

TICKS = Fraction(1, 15360)
VARIABLE = [0, 512, 1024, 2000, 2100, 6000, 6010, 9000, 9512]
LIVE = [
    (name, codec)
    for name, container in CONTAINERS.items()
    if container.live_options is not None
    for codec in container.codecs
]
EXACT = {"mp4", "mov", "nut"}


def write_live(format: str | None = None, codec: str | None = None, **options: object) -> None:
    target = output_target("-", format=format, codec=codec)
    assert target.is_stdout
    with target.open(64, 48, Fraction(30), TICKS, **options) as writer:  # type: ignore[arg-type]
        for number, time in enumerate(VARIABLE):
            writer.write(numbered_frame(number), time, 512)


def times_of(data: bytes) -> list[tuple[Fraction, int]]:
    """Read a stream to its end, without going back, as a player behind a pipe does."""
    with av.open(_Pipe(data), mode="r") as file:
        frames = list(file.decode(video=0))
    return [
        (frame.pts * frame.time_base, number_of(frame.to_ndarray(format="rgb24")))
        for frame in frames
        if frame.pts is not None and frame.time_base is not None
    ]


class _Pipe:
    """A file that cannot be sought."""

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


@pytest.mark.parametrize(("format", "codec"), [each for each in LIVE if each[0] != "y4m"])
def test_a_stream_has_all_frames_at_their_times(
    monkeypatch: pytest.MonkeyPatch, format: str, codec: str
) -> None:
    with piped_output(monkeypatch) as piped:
        write_live(format, codec)
    frames = times_of(piped.data)
    assert [number for _, number in frames] == list(range(len(VARIABLE)))
    errors = [abs(time - start * TICKS) for (time, _), start in zip(frames, VARIABLE, strict=True)]
    if format != "gif":
        assert max(errors) <= (0 if format in EXACT else Fraction(1, 2000))
    else:  # FFmpeg's reader replaces the shortest delays; Pillow tells them all
        with Image.open(io.BytesIO(piped.data)) as image:
            assert image.n_frames == len(VARIABLE)  # type: ignore[attr-defined]


def test_the_default_is_mp4_in_fragments(monkeypatch: pytest.MonkeyPatch) -> None:
    with piped_output(monkeypatch) as piped:
        write_live()
    kinds = boxes(piped.data)
    assert kinds[:2] == ["ftyp", "moov"]
    assert kinds.count("moof") == kinds.count("mdat") >= 3


def boxes(data: bytes) -> list[str]:
    """Return the kinds of the outermost boxes of an MP4."""
    position, kinds = 0, []
    while position < len(data):
        kinds.append(data[position + 4 : position + 8].decode())
        position += int.from_bytes(data[position : position + 4], "big")
    return kinds


@pytest.mark.parametrize(("format", "codec"), LIVE)
def test_frames_leave_soon_after_they_are_written(
    monkeypatch: pytest.MonkeyPatch, format: str, codec: str
) -> None:
    """At 25 frames per second, all but the frames of the last fifth of a second have left."""
    sizes = []
    stream = io.BytesIO()
    output = io.TextIOWrapper(stream)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        target = output_target("-", format=format, codec=codec)
        with target.open(64, 48, Fraction(25), Fraction(1, 25)) as writer:
            for number in range(40):
                writer.write(numbered_frame(number), number, 1)
                sizes.append(stream.tell())
        data = stream.getvalue()
    seen = len(times_of(data[: sizes[30]]))
    assert seen >= 31 - 6
    assert len(times_of(data)) == 40


def test_y4m_has_the_nominal_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    with piped_output(monkeypatch) as piped:
        write_live("y4m")
    header, _, _ = piped.data.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 W64 H48 F30:1")
    frames = times_of(piped.data)
    assert [time for time, _ in frames] == [Fraction(k, 30) for k in range(len(frames))]
    shown = [
        max(k for k, t in enumerate(VARIABLE) if t * TICKS * 30 <= n + 0.15) for n in range(20)
    ]
    assert [number for _, number in frames] == shown


@pytest.mark.parametrize(
    ("format", "sound", "outcome"),
    [
        ("mp4", "aac", "copied"),
        ("mp4", "ac3", "copied"),  # its parameters follow from its packets
        ("mp4", "pcm_s16le", "encoded"),
        ("mov", "pcm_s16le", "copied"),
        ("mkv", "pcm_s16le", "copied"),
        ("webm", "aac", "encoded"),
        ("nut", "aac", "copied"),
        ("gif", "aac", None),
        ("y4m", "aac", None),
    ],
)
def test_sound_is_part_of_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, sound: str, outcome: str | None
) -> None:
    container = "mov" if sound.startswith("pcm") else "mp4"
    source = write_test_video(
        tmp_path / "a.mov", frames=25, audio=sound, container_format=container
    )
    reports: list[SoundReport] = []
    with piped_output(monkeypatch) as piped:
        write_live(format, audio_from=source, on_sound=reports.append)
    assert [(each.outcome, each.problem) for each in reports] == (
        [(outcome, None)] if outcome else []
    )
    if outcome is None:
        return
    start, end = tone(piped.data)
    assert start == pytest.approx(0, abs=0.03)
    assert end == pytest.approx(1, abs=0.06)
    assert times_of(piped.data)[0][0] == pytest.approx(0, abs=1e-3)


def tone(data: bytes) -> tuple[float, float]:
    """Return when the sound of a stream starts and ends, in seconds."""
    with av.open(_Pipe(data), mode="r") as file:
        frames = [frame for frame in file.decode(audio=0) if np.abs(frame.to_ndarray()).max() > 0]
    times = [(float(frame.time or 0), frame.samples / frame.sample_rate) for frame in frames]
    return times[0][0], sum(times[-1])


@pytest.mark.parametrize(("format", "codec"), LIVE)
def test_a_reader_that_goes_away_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, format: str, codec: str
) -> None:
    rng = np.random.default_rng(0)

    def write() -> None:
        target = output_target("-", format=format, codec=codec)
        with target.open(64, 48, Fraction(25), Fraction(1, 25)) as writer:
            for number in range(100):
                writer.write(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), number, 1)

    words = "standard output: nobody reads it any more"
    with piped_output(monkeypatch, limit=1000) as piped, pytest.raises(OutputClosedError) as caught:
        write()
    assert str(caught.value) == words
    assert len(piped.data) == 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("format", ["mp4", "mkv", "gif", "y4m", "nut"])
def test_a_full_disk_behind_it_is_reported(monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(ResourceError, match="standard output: no space left"):
            write_live(format)


def test_what_was_printed_before_precedes_the_video(monkeypatch: pytest.MonkeyPatch) -> None:
    with piped_output(monkeypatch) as piped:
        sys.stdout.write("first\n")
        write_live()
    assert piped.data[:6] == b"first\n"
    assert piped.data[10:14] == b"ftyp"


def test_a_stream_that_ends_early_is_a_whole_video_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped() -> None:
        with output_target("-").open(64, 48, Fraction(30), TICKS) as writer:
            for number, time in enumerate(VARIABLE[:5]):
                writer.write(numbered_frame(number), time, 512)
            raise KeyboardInterrupt

    with piped_output(monkeypatch) as piped, pytest.raises(KeyboardInterrupt):
        stopped()
    assert [number for _, number in times_of(piped.data)] == list(range(5))


class _Stalled(io.RawIOBase):
    """A pipe whose reader stops to read, until a signal interrupts the write."""

    def __init__(self, stop: type[BaseException]) -> None:
        self._stop = stop
        self.calls = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.calls += 1
        raise self._stop


@pytest.mark.parametrize("format", ["mp4", "mkv", "y4m"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_signal_ends_a_run_whose_reader_stalls(
    monkeypatch: pytest.MonkeyPatch, format: str, stop: type[BaseException]
) -> None:
    raw = _Stalled(stop)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
        with pytest.raises(stop):
            write_live(format)
    assert raw.calls == 1


class _NonBlocking(io.RawIOBase):
    """A pipe that takes a few bytes at a time, and often none at all."""

    def __init__(self) -> None:
        self.data = b""
        self._calls = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int | None:
        self._calls += 1
        if self._calls % 2:
            return None
        part = bytes(data)[:4096]  # type: ignore[call-overload]
        self.data += part
        return len(part)


def test_a_pipe_that_does_not_wait_receives_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = _NonBlocking()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw)))
        write_live("y4m")
    assert len(times_of(raw.data)) == 20
