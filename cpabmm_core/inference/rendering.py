"""The frames of an animation from the decoder to the encoder, through bounded queues."""

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import InputLost, MediaError
from cpabmm_core.inference.animated_frame import Finish
from cpabmm_core.inference.callbacks import AnimationCallbacks
from cpabmm_core.inference.driving_part import DrivingPart, DrivingStep
from cpabmm_core.inference.open_animation import OpenAnimation
from cpabmm_core.inference.pipeline import WriteBehind, read_ahead
from cpabmm_core.inference.pose_gap import pose_gap_warning
from cpabmm_core.inference.poses import PoseTransfer
from cpabmm_core.inference.source_part import SourcePart
from cpabmm_core.inference.stream import AnimationStream
from cpabmm_core.media.video.frame_writer import FrameWriter
from cpabmm_core.media.video.resampling import constant_rate
from cpabmm_core.media.video.sound import SoundCallback, SoundReport

_TimedFrame = tuple[Frame, int, int]
"""A frame with its timestamp and its duration."""


class Written(NamedTuple):
    """What was written."""

    frames: int
    """Number of frames."""
    size: tuple[int, int]
    """Width and height in pixels."""
    audio: str
    """What became of the sound."""


@dataclass(frozen=True)
class _Step:
    """A driving frame together with the frame of a moving source at its time."""

    driving: DrivingStep
    source: Frame | None = None
    """The square of the source."""
    finish: Finish | None = None
    """Makes the output of a square that is rendered from this source."""


@dataclass(frozen=True)
class Rendering:
    """Everything that the frames of one animation pass through.

    One thread decodes the driving frames and the frames of a moving source, this one runs the
    model, and a third one encodes. At most two batches wait between each two of them.

    Attributes:
        batch_size: number of frames that are rendered at a time.
        opened: the open inputs and the target.
        source: cuts the frames of the source and finishes the output.
        driving: the driving frames.
        stream: renders.
        poses: the poses that the stream renders.
    """

    batch_size: int
    opened: OpenAnimation
    source: SourcePart
    driving: DrivingPart
    stream: AnimationStream
    poses: PoseTransfer

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the timestamps."""
        fps = self.opened.settings.fps
        return self.driving.time_base if fps is None else 1 / fps

    def write(self, tell: AnimationCallbacks) -> Written:
        """Render all frames and write them to the target.

        Raises:
            InputLost: a pipe or a camera ended too early. The output is complete up to there.
        """
        lost: list[InputLost] = []
        with (
            tell.show("rendering") as progress,
            read_ahead(self._steps(tell, lost), self._most_ahead(), stop=self._stop) as steps,
        ):
            count, total = 0, self._expected_count()
            progress(count, total)
            frames = self._rendered(steps)
            first = next(frames, None)
            if first is None:
                raise MediaError(f"{self.opened.driving_name}: no frame has come; nothing to write")
            self._warn(tell)
            height, width = first[0].shape[:2]
            sound = _Sound(tell)
            with (
                self._open(width, height, sound, tell) as writer,
                WriteBehind(writer, 2 * self.batch_size) as behind,
            ):
                for count, frame in enumerate(chain([first], frames), 1):
                    behind.write(*frame)
                    progress(count, total)
        for error in lost:
            raise error
        return Written(count, (width, height), sound.outcome)

    def _open(
        self, width: int, height: int, sound: SoundCallback, tell: AnimationCallbacks
    ) -> AbstractContextManager[FrameWriter]:
        fps = self.opened.settings.fps
        return self.opened.target.open(
            width,
            height,
            fps or self.driving.frame_rate,
            self.time_base,
            audio_from=self._audio_from(tell),
            on_sound=sound,
            constant=fps is not None,
        )

    def _most_ahead(self) -> int:
        # Frames that wait would be shown late.
        return 1 if self.opened.is_live else 2 * self.batch_size

    def _stop(self) -> None:
        """End waiting for a pipe or a camera."""
        if self.opened.driving is not None:
            self.opened.driving.stop()

    def _expected_count(self) -> int | None:
        length, fps = self.driving.length, self.opened.settings.fps
        if length is None or fps is None:
            return length
        return round(length * fps / self.driving.frame_rate)

    def _steps(self, tell: AnimationCallbacks, lost: list[InputLost]) -> Iterator[_Step]:
        """Yield what the stream needs for each output frame, until the caller stops."""
        source = self.opened.source
        try:
            for step in self._resampled():
                if tell.stop():
                    return
                if not source.is_moving:
                    yield _Step(step)
                    continue
                frame = source.frame_at(step.pts * self.time_base)
                if frame is None:
                    tell.report(
                        f"{self.opened.source_name}: has ended, and the result ends with it"
                    )
                    return
                square = self.source.framing.cut(self.source.opaque(frame))
                yield _Step(step, square, self.source.finisher(frame))
        except InputLost as error:
            lost.append(error)

    def _resampled(self) -> Iterator[DrivingStep]:
        """Yield the driving frames that the output shows, at its rate if it has one."""
        fps = self.opened.settings.fps
        if fps is None:
            yield from self.driving
            return
        timed = ((step, step.pts, step.duration) for step in self.driving)
        for step, pts, duration in constant_rate(timed, self.driving.time_base, fps):
            yield replace(step, pts=pts, duration=duration)

    def _rendered(self, steps: Iterator[_Step]) -> Iterator[_TimedFrame]:
        waiting: deque[tuple[int, int]] = deque()
        for step in steps:
            waiting.append((step.driving.pts, step.driving.duration))
            for frame in self._push(step):
                yield frame, *waiting.popleft()
        for frame in self.stream.flush():
            yield frame, *waiting.popleft()

    def _push(self, step: _Step) -> list[Frame]:
        driving = step.driving
        time = float(driving.pts * self.time_base)
        if driving.image is not None:
            return self.stream.push(driving.image, time, source=step.source, finish=step.finish)
        assert driving.keypoints is not None
        return self.stream.push_pose(
            driving.keypoints, time, source=step.source, finish=step.finish
        )

    def _warn(self, tell: AnimationCallbacks) -> None:
        settings = self.opened.settings
        warning = pose_gap_warning(
            self.poses.pose_gap(),
            searched=settings.reference_frame == "auto",
            mirrored=settings.mirror,
        )
        if warning is not None:
            tell.warn(warning)

    def _audio_from(self, tell: AnimationCallbacks) -> Path | None:
        """Return the file whose sound the output gets, and say so if there is none to get."""
        choice, opened = self.opened.settings.audio, self.opened
        if choice == "none" or not opened.target.holds_sound:
            return None
        frames = opened.source if choice == "source" else opened.driving
        name = opened.source_name if choice == "source" else opened.driving_name
        if frames is None or not frames.has_audio:
            if choice == "source":
                tell.report(f"{name}: has no sound, so the output has none")
            return None
        if frames.path is None:
            tell.report(f"{name}: its sound is left out, because a pipe can be read only once")
        return frames.path


class _Sound:
    """Passes reports about the sound on, and remembers what became of it."""

    def __init__(self, tell: AnimationCallbacks) -> None:
        self.outcome = "none"
        self._tell = tell

    def __call__(self, report: SoundReport) -> None:
        self.outcome = report.outcome
        self._tell.on_sound(report)
