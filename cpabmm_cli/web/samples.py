"""Pictures and videos to try: puppets that the bundled model has not seen, rendered on the spot."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from cpabmm_cli.web.inputs import Choice, choose_driving, choose_source
from cpabmm_core.arrays import Frame
from cpabmm_core.media import VideoWriter, write_image
from cpabmm_core.puppets import render_puppet

_SEED, _SIZE, _FRAMES, _RATE = 2026, 192, 75, 25


@dataclass(frozen=True)
class _Pair:
    source: str
    driving: str
    body_plan: Literal["biped", "quadruped"]
    motion: Literal["jump", "bound", "walk", "dance"]
    source_index: int
    driving_index: int


_PAIRS = (
    _Pair("source", "driving", "biped", "jump", 0, 11),  # those of the folder `examples`
    _Pair("puppy", "bound", "quadruped", "bound", 6, 13),
    _Pair("walker", "walk", "biped", "walk", 5, 12),
    _Pair("rabbit", "dance", "biped", "dance", 2, 20),
)


@dataclass(frozen=True)
class Samples:
    """Choices for source and driving. The first of each is shown when the page opens."""

    sources: list[Choice]
    driving: list[Choice]


def render_samples(folder: Path) -> Samples:
    """Render the samples into a folder, which is created."""
    folder.mkdir()
    return Samples(
        sources=[_source(pair, folder) for pair in _PAIRS],
        driving=[_driving(pair, folder) for pair in _PAIRS],
    )


def _source(pair: _Pair, folder: Path) -> Choice:
    path = folder / pair.source / f"{pair.source}.png"
    path.parent.mkdir()
    [frame] = _render(pair, pair.source_index, frames=1)
    write_image(path, frame)
    return choose_source(path, path.parent)


def _driving(pair: _Pair, folder: Path) -> Choice:
    path = folder / pair.driving / f"{pair.driving}.mp4"
    path.parent.mkdir()
    with VideoWriter(path, _SIZE, _SIZE, Fraction(_RATE), Fraction(1, _RATE)) as video:
        for number, frame in enumerate(_render(pair, pair.driving_index, frames=_FRAMES)):
            video.write(frame, number)
    return choose_driving(path, path.parent)


def _render(pair: _Pair, index: int, *, frames: int) -> Iterable[Frame]:
    return render_puppet(
        _SEED,
        index,
        split="test",
        frames=frames,
        size=_SIZE,
        body_plan=pair.body_plan,
        motion=pair.motion,
    ).frames
