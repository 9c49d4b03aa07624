"""Choosing and opening the sound of a file."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition

from cpabmm_core.media.video.clock import clock_start
from cpabmm_core.media.video.opening import open_input
from cpabmm_core.media.video.sound.report import SoundProblem
from cpabmm_core.media.video.sound.times import steady

_SPECIAL = (
    Disposition.comment
    | Disposition.karaoke
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.clean_effects
    | Disposition.descriptions
    | Disposition.dependent
)
_HEAD = 3
_TRIED_TRACKS = 3
"""Number of tracks to look for sound in. Each may take a pass over the whole file."""


@dataclass(frozen=True, slots=True)
class OpenSound:
    """A track of sound that is being read."""

    stream: AudioStream
    """The stream of the file."""
    head: tuple[Packet[AudioStream], ...]
    """The first packets, at least one."""
    packets: Iterator[Packet[AudioStream]]
    """All packets, with steady timestamps."""
    start: Fraction
    """The timestamp that stands for time zero, in seconds."""


def open_sound(path: Path, stack: ExitStack) -> OpenSound | None:
    """Open the track of sound that a player would choose.

    Args:
        path: the file.
        stack: closes the file.

    Returns:
        The track; None if the file has no sound.

    Raises:
        MediaError: the file cannot be opened.
        SoundProblem: it announces sound, but no track holds any, or its codec is unknown.
    """
    for attempt in range(_TRIED_TRACKS):
        with ExitStack() as opened:
            container = opened.enter_context(open_input(path))
            if not container.streams.audio:
                return None
            known = [s for s in container.streams.audio if s.codec_context is not None]
            if not known:
                raise SoundProblem("its codec is unknown")
            if attempt == len(known):
                break
            stream = sorted(known, key=_preference)[attempt]
            sound = read_sound(container, stream)
            if sound is not None:
                stack.push(opened.pop_all())
                return sound
    raise SoundProblem("it is announced, but there is none")


def read_sound(container: InputContainer, stream: AudioStream) -> OpenSound | None:
    """Read the first packets of a track; return None if it has none."""
    packets = steady(container.demux(stream))
    head = tuple(islice(packets, _HEAD))
    if not head:
        return None
    return OpenSound(stream, head, chain(head, packets), clock_start(container))


def _preference(stream: AudioStream) -> tuple[bool, bool]:
    """Sort the default track first and tracks for special purposes last."""
    purpose = stream.disposition
    return bool(purpose & _SPECIAL), not purpose & Disposition.default
