"""Clips of the largest centred square, scene by scene."""

from collections.abc import Iterator, Sequence

from cpabmm_core.data.preprocess.boxes import central_square
from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.rules import TOO_FEW_FRAMES, TOO_SMALL, Candidate, ClipRules


class CentreFinder:
    """Finds clips that are scenes, or parts of scenes with at most `max_frames` frames."""

    def __init__(self, rules: ClipRules, width: int, height: int) -> None:
        self._rules = rules
        self._box = central_square(width, height)
        self._start = self._end = 0

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Add the next frames; return the stretches that end with or before them."""
        for frame in frames:
            if frame.begins_scene or self._end - self._start == self._rules.max_frames:
                yield from self.finish()
            self._end = frame.number + 1

    def finish(self) -> Iterator[Candidate]:
        """Return the stretch that ends here."""
        start, self._start = self._start, self._end
        if start == self._end:
            return
        reason = TOO_FEW_FRAMES if self._end - start < self._rules.min_frames else None
        if self._box.longer_side < self._rules.min_size:
            reason = TOO_SMALL
        yield Candidate(start, self._end, self._box, reason)
