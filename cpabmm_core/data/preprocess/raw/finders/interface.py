"""The interface of the finders."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.rules import Candidate


class Finder(Protocol):
    """Finds the clips of one video, whose frames it receives in order."""

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Add the next frames; return the stretches that end with or before them."""
        ...

    def finish(self) -> Iterator[Candidate]:
        """Return the stretches that end with the video."""
        ...
