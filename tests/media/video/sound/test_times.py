"""Repair of timestamps, on packets whose right times are known."""

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import pytest
from av.audio.stream import AudioStream
from av.packet import Packet

from cpabmm_core.media.video.sound.report import SoundProblem
from cpabmm_core.media.video.sound.times import steady

UNIT = Fraction(1, 1000)
STEP = 20


def packets(times: list[int | None], *, duration: int = STEP) -> "list[Packet[AudioStream]]":
    made: list[Packet[AudioStream]] = []
    for time in times:
        packet = cast("Packet[AudioStream]", Packet(b"sound"))
        packet.time_base, packet.pts, packet.dts = UNIT, time, time
        packet.duration = duration
        made.append(packet)
    return made


def repaired(times: list[int | None]) -> list[int | None]:
    return [packet.pts for packet in steady(packets(times))]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 20, 40, 60], [0, 20, 40, 60]),
        ([-21, 0, 20], [-21, 0, 20]),
        ([0, 21, 39, 61], [0, 21, 39, 61]),  # imprecision stays
        ([None, None, None], [0, 20, 40]),
        ([100, None, 140, None], [100, 120, 140, 160]),
        ([0, 20, 20, 60], [0, 20, 20, 60]),
        ([0, 20, 10, 60], [0, 20, 20, 60]),
        ([0, 20, 9_000_000, 60, 80], [0, 20, 40, 60, 80]),
        ([5000, 5020, 0, 5060], [5000, 5020, 5040, 5060]),
        ([0, 20, 3_600_000, 3_600_020], [0, 20, 3_600_000, 3_600_020]),  # silence for an hour
        ([0, 20, 10**15, 60], [0, 20, 40, 60]),
        ([10**15, 20, 40], [0, 20, 40]),
    ],
)
def test_times_never_go_back(times: list[int | None], expected: list[int]) -> None:
    assert repaired(times) == expected


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([*range(0, 4000, 20), *range(0, 4000, 20)], "restarts"),
        ([0, 20, *range(40_000_000, 40_000_100, 20)], "jumps"),
        ([2**60, 2**60 + 20], "meaningless"),
    ],
)
def test_a_clock_that_cannot_be_followed_ends_the_sound(
    times: list[int | None], words: str
) -> None:
    with pytest.raises(SoundProblem, match=words):
        repaired(times)


def test_the_sound_before_a_restart_is_kept() -> None:
    kept: list[int | None] = []
    times = [*range(0, 4000, 20), *range(0, 4000, 20)]
    with pytest.raises(SoundProblem):
        kept.extend(packet.pts for packet in steady(packets(times)))
    assert kept[:200] == list(range(0, 4000, 20))
    assert len(kept) < 260  # a second of overlap


def test_packets_without_data_are_passed_over() -> None:
    made = packets([0, 20, 40])
    empty = cast("Packet[AudioStream]", Packet())
    assert len(list(steady([made[0], empty, *made[1:]]))) == 3


def test_the_packet_before_an_error_is_kept() -> None:
    def failing() -> "Iterator[Packet[AudioStream]]":
        yield from packets([0, 20])
        raise OSError("disk")

    kept: list[int | None] = []
    with pytest.raises(OSError, match="disk"):
        kept.extend(packet.pts for packet in steady(failing()))
    assert kept == [0, 20]
