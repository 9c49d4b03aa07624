"""Clips of whatever moves in front of a camera that stands still."""

from collections.abc import Iterator, Sequence

from cpabmm_core.data.preprocess.boxes import (
    Box,
    clip_to_frame,
    expand,
    make_square,
    move_into_frame,
    round_to_pixels,
)
from cpabmm_core.data.preprocess.raw.camera import CameraMonitor
from cpabmm_core.data.preprocess.raw.frames import SceneFrame
from cpabmm_core.data.preprocess.raw.motion_box import MotionBox
from cpabmm_core.data.preprocess.raw.rules import (
    CAMERA_MOVES,
    NOTHING_MOVES,
    TOO_FEW_FRAMES,
    TOO_SMALL,
    TOO_WIDE,
    Candidate,
    ClipRules,
)

_MOST_OF_FRAME = 0.8
"""Share of the frame that moves only if the camera does, if slowly."""


class MotionFinder:
    """A clip is a stretch of a scene in which camera and light stay; its box holds all motion.

    The box is made square and grown, as far as the frame allows, and moved into the frame.
    """

    def __init__(self, rules: ClipRules, width: int, height: int) -> None:
        self._rules = rules
        self._size = width, height
        self._watch = CameraMonitor()
        self._motion = MotionBox()
        self._trouble: str | None = None
        self._start = self._end = 0

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Take the next few frames."""
        for frame in frames:
            trouble = self._watch.find_change(frame.image, begins_scene=frame.begins_scene)
            full = not trouble and self._end - self._start == self._rules.max_frames
            if frame.begins_scene or trouble != self._trouble or full:
                yield from self.finish()
            self._trouble = trouble
            self._motion.add(frame.image)
            self._end = frame.number + 1

    def finish(self) -> Iterator[Candidate]:
        """The stretch that ends here."""
        start, motion = self._start, self._motion
        self._start, self._motion = self._end, MotionBox()
        if start == self._end:
            return
        if self._trouble or self._end - start < self._rules.min_frames:
            yield Candidate(start, self._end, None, self._trouble or TOO_FEW_FRAMES)
            return
        yield Candidate(start, self._end, *self._box_of(motion))

    def _box_of(self, motion: MotionBox) -> tuple[Box | None, str | None]:
        """What to cut out, or why nothing."""
        found, share = motion.find()
        if found is None:
            return None, NOTHING_MOVES
        if share > _MOST_OF_FRAME:
            return None, CAMERA_MOVES
        found = clip_to_frame(found, *self._size)
        square = make_square(found)
        shorter = min(self._size)
        if found.longer_side < self._rules.min_size:
            return round_to_pixels(square), TOO_SMALL
        if square.width > shorter:
            return round_to_pixels(square), TOO_WIDE
        margin = min(self._rules.margin, (shorter / square.width - 1) / 2)
        return move_into_frame(round_to_pixels(expand(square, margin)), *self._size), None
