"""What looks for clips in the frames of one video."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.rules import Candidate


class Finder(Protocol):
    """Sees each frame once, in order, and forgets it."""

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Take the next few frames; the stretches that have ended with or before them."""
        ...

    def finish(self) -> Iterator[Candidate]:
        """The stretches that end with the video."""
        ...
