"""Clips of faces, by the rules of VoxCeleb."""

from collections.abc import Iterator, Sequence

from cpabmm_core.data.preprocess.boxes import (
    Box,
    enclose,
    expand,
    iou,
    is_within,
    make_square,
    round_to_pixels,
)
from cpabmm_core.data.preprocess.raw.finders.detection import Detect
from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.rules import (
    LEAVES_FRAME,
    TOO_FEW_FRAMES,
    TOO_SMALL,
    Candidate,
    ClipRules,
)

_MIN_OVERLAP = 0.25
"""The clip ends when the IoU with its first box falls below this value."""
MAX_GAP = 5
"""The largest number of consecutive frames in which the detector may miss a face."""


class _Track:
    """A face, followed from the first frame of its clip."""

    def __init__(self, number: int, box: Box) -> None:
        self.start, self.last = number, number
        self.first = self.union = box

    def take_best(self, number: int, boxes: list[Box]) -> None:
        """Move the box that matches the face best, if any does, from `boxes` to this track."""
        best = max(boxes, key=lambda box: iou(self.first, box), default=None)
        if best is not None and iou(self.first, best) >= _MIN_OVERLAP:
            boxes.remove(best)
            self.last, self.union = number, enclose([self.union, best])


class FaceFinder:
    """Finds clips of faces that stay near the first box of their clip.

    The box of a clip is the square around the union of the boxes of its face. Several faces in a
    frame give one clip each.
    """

    def __init__(self, rules: ClipRules, width: int, height: int, detect: Detect) -> None:
        self._rules = rules
        self._size = width, height
        self._detect = detect
        self._tracks: list[_Track] = []

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Add the next frames; return the stretches that end with or before them."""
        for frame, boxes in zip(frames, self._detect(frames), strict=True):
            if frame.begins_scene:
                yield from self.finish()
            yield from self._step(frame.number, boxes)

    def finish(self) -> Iterator[Candidate]:
        """Return the clips of all faces, which end here."""
        yield from self._end(self._tracks)

    def _step(self, number: int, boxes: list[Box]) -> Iterator[Candidate]:
        left = list(boxes)
        full = [t for t in self._tracks if number - t.start >= self._rules.max_frames]
        yield from self._end(full)
        for track in self._tracks:
            track.take_best(number, left)
        yield from self._end([t for t in self._tracks if number - t.last > MAX_GAP])
        self._tracks.extend(_Track(number, box) for box in left)

    def _end(self, tracks: list[_Track]) -> Iterator[Candidate]:
        self._tracks = [track for track in self._tracks if track not in tracks]
        for track in tracks:
            yield self._candidate(track)

    def _candidate(self, track: _Track) -> Candidate:
        end = track.last + 1
        box = round_to_pixels(expand(make_square(track.union), self._rules.margin))
        reason = None
        if end - track.start < self._rules.min_frames:
            reason = TOO_FEW_FRAMES
        elif track.union.longer_side < self._rules.min_size:
            reason = TOO_SMALL
        elif not is_within(box, *self._size):
            reason = LEAVES_FRAME
        return Candidate(track.start, end, box, reason)
