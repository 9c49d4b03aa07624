"""The frames of a camera as they come."""

import re
from collections.abc import Iterator
from fractions import Fraction
from threading import Condition, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import InputLost, MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video import VideoFrame

_NAME = re.compile(r"camera:([0-9]{1,3})")
_FRAME_RATE_PROPERTY = 5
"""OpenCV's `CAP_PROP_FPS`."""
_FASTEST = 1000
_USUAL_RATE = Fraction(30)
"""Frames per second of a camera that states none."""
_LONGEST_START = 15.0
"""Seconds until the first frame."""
_TICK = 0.1
"""Seconds between looks at whether the thread has ended or `stop` was called."""
_PATIENCE = 5.0
"""Seconds that the thread gets to return from reading a frame when the camera is closed."""


class Capture(Protocol):
    """What is used of OpenCV's class `VideoCapture`."""

    def isOpened(self) -> bool:
        """Return whether the camera is open."""
        ...

    def read(self) -> tuple[bool, Any]:
        """Wait for the next frame; return whether there is one, and (H, W, 3) uint8 BGR."""
        ...

    def get(self, propId: int, /) -> float:
        """Return a property; 0 for an unknown one."""
        ...

    def release(self) -> None:
        """Close the camera."""
        ...


def camera_number(name: str) -> int | None:
    """Return the number of a camera that is written ``camera:N``; None for any other name.

    Example:
        >>> camera_number("camera:1"), camera_number("./camera:1"), camera_number("clip.mp4")
        (1, None, None)
    """
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


class CameraFrames:
    """The frames of a camera, without an end, until `stop`.

    A thread reads the camera all the time and keeps its newest frame. So a slow consumer misses
    frames, but is never late. Timestamps tell when frames came, by a clock that nothing sets; the
    first frame of the iteration has time zero. The duration of a frame is the nominal one.

    Args:
        name: how messages call the camera.
        capture: the open camera, which this object closes.
        longest_start: seconds to wait for the first frame.

    Raises:
        MediaError: no frame comes.
    """

    path = None
    is_live = True
    has_audio = False
    time_base = Fraction(1, 1000)

    def __init__(
        self, name: str, capture: Capture, *, longest_start: float = _LONGEST_START
    ) -> None:
        self._name, self._capture = name, capture
        self._change = Condition()
        self._newest: tuple[NDArray[np.uint8], float] | None = None
        self._is_stopped, self._trouble = False, ""
        self._start: float | None = None
        self._count, self._last = 0, -1
        self.frame_rate = _nominal_rate(capture)
        self._thread = Thread(target=self._read_all, name=name, daemon=True)
        self._thread.start()
        try:
            self.height, self.width = self._first_shape(longest_start)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        """Return the frames."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the camera."""
        self._close()

    def stop(self) -> None:
        """End the iteration; any thread may call this."""
        self._is_stopped = True  # without the lock, which a signal may find taken by its own thread

    def __iter__(self) -> Iterator[VideoFrame]:
        """Wait for each frame that has not been seen yet.

        Raises:
            InputLost: the camera stopped on its own.
        """
        while (found := self._take()) is not None:
            image, time = found
            if self._start is None:
                self._start = time
            self._last = max(self._last + 1, round((time - self._start) / self.time_base))
            self._count += 1
            yield VideoFrame(self._to_rgb(image), self._last, self._duration)

    @property
    def _duration(self) -> int:
        return max(1, round(1 / (self.frame_rate * self.time_base)))

    def _read_all(self) -> None:
        """Keep the newest frame, and close the camera at the end."""
        try:
            while not self._is_stopped:
                has_frame, image = self._capture.read()
                if not has_frame or image is None:
                    break
                with self._change:
                    self._newest = image, monotonic()
                    self._change.notify()
        except Exception as error:  # whatever OpenCV and its drivers raise
            self._trouble = f" ({one_line(error)})"
        finally:
            self._capture.release()
            with self._change:
                self._change.notify()

    def _first_shape(self, longest: float) -> tuple[int, int]:
        end = monotonic() + longest
        with self._change:
            while self._newest is None and self._thread.is_alive() and monotonic() < end:
                self._change.wait(_TICK)
            if self._newest is None:
                raise MediaError(
                    f"{self._name}: delivers no frame{self._trouble}",
                    "check that no other program uses it, and connect it again",
                )
            height, width = self._newest[0].shape[:2]
            return height, width

    def _take(self) -> tuple[NDArray[np.uint8], float] | None:
        """Wait for the newest frame and take it; return None after `stop`."""
        with self._change:
            while self._newest is None and self._thread.is_alive() and not self._is_stopped:
                self._change.wait(_TICK)
            found, self._newest = self._newest, None
        if self._is_stopped:
            return None
        if found is None:
            raise InputLost(
                f"{self._name}: stopped after {self._count} frames{self._trouble}",
                "check its cable, and that no other program uses it",
            )
        return found

    def _to_rgb(self, image: NDArray[np.uint8]) -> Frame:
        frame = np.ascontiguousarray(image[..., 2::-1])
        if frame.shape[:2] != (self.height, self.width):
            raise InputLost(
                f"{self._name}: changed the size of its frames after {self._count - 1} frames",
                "record it again",
            )
        return frame

    def _close(self) -> None:
        self.stop()
        self._thread.join(_PATIENCE)


def _nominal_rate(capture: Capture) -> Fraction:
    rate = capture.get(_FRAME_RATE_PROPERTY)
    if not 1 <= rate <= _FASTEST:  # also if it is not a number
        return _USUAL_RATE
    return Fraction(rate).limit_denominator(1001)
