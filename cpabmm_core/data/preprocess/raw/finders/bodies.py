"""Clips of people, by the rules of TaiChiHD."""

from collections.abc import Iterator, Sequence

from cpabmm_core.data.preprocess.boxes import (
    Box,
    expand,
    intersection_area,
    iou,
    make_square,
    move_into_frame,
    round_to_pixels,
)
from cpabmm_core.data.preprocess.raw.camera import CameraMonitor
from cpabmm_core.data.preprocess.raw.finders.detection import Detect
from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.rules import TOO_FEW_FRAMES, TOO_SMALL, Candidate, ClipRules

_MIN_HEIGHT = 0.1
"""The smallest height of a person, as a share of the frame's. Smaller people are ignored."""
_MIN_OVERLAP = 0.25
"""The smallest IoU of the boxes of one person in consecutive frames."""
_MAX_GAP = 5
"""The largest number of consecutive frames in which the detector may miss a person."""


class _Track:
    """A person, followed from the first frame of a clip."""

    def __init__(self, number: int, person: Box, square: Box) -> None:
        self.start, self.last = number, number
        self.person, self.square = person, square

    def follow(self, number: int, people: list[Box]) -> bool:
        """Follow the person; return whether they, and nobody else, are in the square."""
        best = max(people, key=lambda box: iou(self.person, box), default=None)
        if best is None or iou(self.person, best) < _MIN_OVERLAP:
            alone = not any(intersection_area(self.square, box) for box in people)
            return alone and number - self.last <= _MAX_GAP
        if not _is_alone(best, self.square, people) or not _contains(self.square, best):
            return False
        self.last, self.person = number, best
        return True


class BodyFinder:
    """Finds clips of one person each, in a square that is fixed by the first frame.

    A clip ends when the person leaves the square, another person enters it, the camera moves, or
    the light changes. A square that extends beyond the frame is moved into it.
    """

    def __init__(self, rules: ClipRules, width: int, height: int, detect: Detect) -> None:
        self._rules = rules
        self._size = width, height
        self._detect = detect
        self._monitor = CameraMonitor()
        self._tracks: list[_Track] = []
        self._change: str | None = None
        self._change_start = self._end = 0

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Add the next frames; return the stretches that end with or before them."""
        if min(self._size) < self._rules.min_size:
            self._end = frames[-1].number + 1
            return
        for frame, people in zip(frames, self._detect(frames), strict=True):
            change = self._monitor.find_change(frame.image, begins_scene=frame.begins_scene)
            if frame.begins_scene or change != self._change:
                yield from self.finish()
                self._change, self._change_start = change, frame.number
            self._end = frame.number + 1
            if not change:
                yield from self._step(frame.number, people)

    def finish(self) -> Iterator[Candidate]:
        """Return the stretches that end here."""
        if min(self._size) < self._rules.min_size:
            yield Candidate(0, self._end, None, TOO_SMALL)
        elif self._change:
            yield Candidate(self._change_start, self._end, None, self._change)
        tracks, self._tracks = self._tracks, []
        for track in tracks:
            yield self._candidate(track)

    def _step(self, number: int, found: list[Box]) -> Iterator[Candidate]:
        people = [box for box in found if box.height >= _MIN_HEIGHT * self._size[1]]
        active = []
        for track in self._tracks:
            full = number - track.start >= self._rules.max_frames
            if not full and track.follow(number, people):
                active.append(track)
            else:
                yield self._candidate(track)
        followed = [track.person for track in active]
        for person in people:
            square = self._square(person)
            if square and person not in followed and _is_alone(person, square, people):
                active.append(_Track(number, person, square))
        self._tracks = active

    def _square(self, person: Box) -> Box | None:
        """Return the square for a clip that begins with this person, or None if it is too large."""
        square = round_to_pixels(expand(make_square(person), self._rules.margin))
        if square.width > min(self._size):
            return None
        return move_into_frame(square, *self._size)

    def _candidate(self, track: _Track) -> Candidate:
        end = track.last + 1
        reason = TOO_FEW_FRAMES if end - track.start < self._rules.min_frames else None
        return Candidate(track.start, end, track.square, reason)


def _contains(square: Box, person: Box) -> bool:
    return (
        square.left <= person.left
        and square.top <= person.top
        and square.right >= person.right
        and square.bottom >= person.bottom
    )


def _is_alone(person: Box, square: Box, people: list[Box]) -> bool:
    return not any(intersection_area(square, box) for box in people if box is not person)
