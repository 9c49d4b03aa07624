"""Clips of everything that moves in front of a fixed camera."""

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

_MAX_MOVING_SHARE = 0.8
"""If a larger share of the frame moves, the camera is assumed to move slowly."""


class MotionFinder:
    """Finds clips with a fixed camera and constant light, cropped to a box around all motion.

    The box is made square, expanded as far as the frame allows, and moved into the frame.
    """

    def __init__(self, rules: ClipRules, width: int, height: int) -> None:
        self._rules = rules
        self._size = width, height
        self._monitor = CameraMonitor()
        self._motion = MotionBox()
        self._change: str | None = None
        self._start = self._end = 0

    def add_frames(self, frames: Sequence[SceneFrame]) -> Iterator[Candidate]:
        """Add the next frames; return the stretches that end with or before them."""
        for frame in frames:
            change = self._monitor.find_change(frame.image, begins_scene=frame.begins_scene)
            full = not change and self._end - self._start == self._rules.max_frames
            if frame.begins_scene or change != self._change or full:
                yield from self.finish()
            self._change = change
            self._motion.add(frame.image)
            self._end = frame.number + 1

    def finish(self) -> Iterator[Candidate]:
        """Return the stretch that ends here."""
        start, motion = self._start, self._motion
        self._start, self._motion = self._end, MotionBox()
        if start == self._end:
            return
        if self._change or self._end - start < self._rules.min_frames:
            yield Candidate(start, self._end, None, self._change or TOO_FEW_FRAMES)
            return
        yield Candidate(start, self._end, *self._box_of(motion))

    def _box_of(self, motion: MotionBox) -> tuple[Box | None, str | None]:
        """Return the box to crop to, and the reason if the stretch is dropped."""
        found, share = motion.find()
        if found is None:
            return None, NOTHING_MOVES
        if share > _MAX_MOVING_SHARE:
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
