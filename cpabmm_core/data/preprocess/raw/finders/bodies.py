"""Clips of persons, by the rules of TaiChiHD."""

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

_LEAST_HEIGHT = 0.1
"""Of a person, as a share of the frame's height."""
_LEAST_OVERLAP = 0.25
"""IoU with the person's last box."""
_LONGEST_GAP = 5
"""Frames in a row in which the detector may miss a person that it finds again."""


class _Track:
    """One person from the first frame of a clip on."""

    def __init__(self, number: int, person: Box, square: Box) -> None:
        self.start, self.last = number, number
        self.person, self.square = person, square

    def follow(self, number: int, persons: list[Box]) -> bool:
        """Follow the person; whether it is in the square, and nobody else is."""
        best = max(persons, key=lambda box: iou(self.person, box), default=None)
        if best is None or iou(self.person, best) < _LEAST_OVERLAP:
            alone = not any(intersection_area(self.square, box) for box in persons)
            return alone and number - self.last <= _LONGEST_GAP
        if not _is_alone(best, self.square, persons) or not _contains(self.square, best):
            return False
        self.last, self.person = number, best
        return True


class BodyFinder:
    """A clip follows one person in a square that stays where its first frame put it.

    It ends when the person leaves the square, another reaches into it, the camera moves, or the
    light changes. A square that would leave the frame is moved into it.
    """

    def __init__(self, rules: ClipRules, width: int, height: int, detect: Detect) -> None:
        self._rules = rules
        self._size = width, height
        self._detect = detect
        self._watch = CameraMonitor()
        self._tracks: list[_Track] = []
        self._trouble: str | None = None
        self._trouble_start = self._end = 0

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Take the next few frames."""
        if min(self._size) < self._rules.min_size:
            self._end = frames[-1].number + 1
            return
        for frame, persons in zip(frames, self._detect(frames), strict=True):
            trouble = self._watch.find_change(frame.image, begins_scene=frame.begins_scene)
            if frame.begins_scene or trouble != self._trouble:
                yield from self.finish()
                self._trouble, self._trouble_start = trouble, frame.number
            self._end = frame.number + 1
            if not trouble:
                yield from self._step(frame.number, persons)

    def finish(self) -> Iterator[Candidate]:
        """The stretches that end here."""
        if min(self._size) < self._rules.min_size:
            yield Candidate(0, self._end, None, TOO_SMALL)
        elif self._trouble:
            yield Candidate(self._trouble_start, self._end, None, self._trouble)
        tracks, self._tracks = self._tracks, []
        for track in tracks:
            yield self._candidate(track)

    def _step(self, number: int, found: list[Box]) -> Iterator[Candidate]:
        persons = [box for box in found if box.height >= _LEAST_HEIGHT * self._size[1]]
        going = []
        for track in self._tracks:
            full = number - track.start >= self._rules.max_frames
            if not full and track.follow(number, persons):
                going.append(track)
            else:
                yield self._candidate(track)
        followed = [track.person for track in going]
        for person in persons:
            square = self._square(person)
            if square and person not in followed and _is_alone(person, square, persons):
                going.append(_Track(number, person, square))
        self._tracks = going

    def _square(self, person: Box) -> Box | None:
        """What a clip that begins with this person cuts out, if the frame holds it."""
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


def _is_alone(person: Box, square: Box, persons: list[Box]) -> bool:
    return not any(intersection_area(square, box) for box in persons if box is not person)
