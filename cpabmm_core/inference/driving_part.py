"""The driving frames of an animation: which part the model sees, and which one is the reference."""

from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice

from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.files.display import ShowProgress
from cpabmm_core.inference.auto_crop import find_region
from cpabmm_core.inference.driving_motion import DrivingMotion, extract_motion
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.inference.open_animation import OpenAnimation
from cpabmm_core.inference.pipeline import read_ahead
from cpabmm_core.inference.regions import Framing, Region, frame_region
from cpabmm_core.inference.settings import SettingError
from cpabmm_core.inference.spread_frames import spread
from cpabmm_core.media.inputs import DrivingFrames
from cpabmm_core.media.video import VideoFrame
from cpabmm_core.media.video.frame_count import announced_frames
from cpabmm_core.progress import StatusCallback

_SAMPLE = 16
"""Number of frames, all over the video, in which the subject is looked for."""
_FIRST_FRAMES = 8
"""Number of frames for that if the video can be read only once."""


@dataclass(frozen=True)
class DrivingStep:
    """A driving frame: its picture, its keypoints, or both are known beforehand."""

    image: Frame | None  # (H, W, 3)
    """The picture; None if the keypoints serve."""
    keypoints: Tensor | None  # (1, N, 2 or 6) in [-1, 1]
    """The keypoints; None if they are still to be detected."""
    pts: int
    """Presentation time in units of the time base."""
    duration: int
    """Time until the next frame in the same units."""


@dataclass(frozen=True)
class DrivingPart:
    """The driving frames, read once or twice as the settings require.

    Attributes:
        framing: the part of each frame that the model sees; None for a motion file.
        reference: the pose that corresponds to the source's, (1, N, 2 or 6) in [-1, 1]; None for
            that of the first frame.
        reference_frame: its number.
        motion: the keypoints of all frames, if they had to be known beforehand.
        time_base: seconds per unit of the timestamps.
        frame_rate: nominal number of frames per second.
    """

    framing: Framing | None
    reference: Tensor | None
    reference_frame: int
    motion: DrivingMotion | None
    time_base: Fraction
    frame_rate: Fraction
    length: int | None
    """Number of frames, if it is known."""
    _frames: Iterable[VideoFrame] | None
    """The frames to render from; None if the motion serves."""

    def __iter__(self) -> Iterator[DrivingStep]:
        """Iterate over the frames in order, once."""
        if self._frames is not None:
            for frame in self._frames:
                yield DrivingStep(frame.image, None, frame.pts, frame.duration)
            return
        assert self.motion is not None
        times = zip(self.motion.pts, self.motion.durations, strict=True)
        for number, (pts, duration) in enumerate(times):
            yield DrivingStep(None, self.motion.keypoints[number : number + 1], pts, duration)


def prepare_driving(
    inference_model: InferenceModel,
    opened: OpenAnimation,
    source: Tensor,  # (1, N, 2 or 6) in [-1, 1]
    *,
    report: StatusCallback,
    show: ShowProgress,
) -> DrivingPart:
    """Find the part of the driving frames and the reference frame.

    A video is read to its end beforehand if the reference frame is not the first one, or if the
    motion is to be saved. If it can be read only once, its keypoints are kept and rendered later.

    Args:
        inference_model: the model.
        opened: the open animation.
        source: keypoints of the source.
        report: receives one line with a part that was found.
        show: shows the progress of reading the motion beforehand.

    Raises:
        SettingError: the reference frame is beyond the last one.
        ConfigError: the given part lies outside the frames.
        DataError: the motion file is damaged or of another model.
    """
    if opened.driving is None:
        assert opened.motion_file is not None
        motion = DrivingMotion.load(opened.motion_file)
        motion.check_model(inference_model.model)
        return _part(opened, source, motion, None, None)
    video, settings = opened.driving, opened.settings
    framing, frames = _framing(inference_model, opened, video, report)
    if settings.reference_frame == 0 and opened.save_motion is None:
        return DrivingPart(framing, None, 0, None, video.time_base, video.frame_rate, None, frames)
    with (
        read_ahead(frames, 2 * inference_model.batch_size) as ahead,
        show("reading the motion") as progress,
    ):
        length = _expected_length(video)
        motion = extract_motion(
            inference_model,
            ahead,
            time_base=video.time_base,
            frame_rate=video.frame_rate,
            framing=framing,
            progress=lambda done, _: progress(done, length),
        )
    if opened.save_motion is not None:
        motion.save(opened.save_motion)
    needs_pictures = settings.compare or settings.visualize
    again = video if needs_pictures and video.path is not None else None
    return _part(opened, source, motion, framing, again)


def _part(
    opened: OpenAnimation,
    source: Tensor,
    motion: DrivingMotion,
    framing: Framing | None,
    frames: Iterable[VideoFrame] | None,
) -> DrivingPart:
    wanted = opened.settings.reference_frame
    number = motion.best_reference(source.cpu()) if wanted == "auto" else wanted
    if number >= len(motion):
        raise SettingError(
            "reference_frame",
            f"{number} is beyond the last frame of {opened.driving_name}, which is "
            f"{len(motion) - 1}; frames are counted from 0",
        )
    reference = motion.keypoints[number : number + 1]
    return DrivingPart(
        framing, reference, number, motion, motion.time_base, motion.frame_rate, len(motion), frames
    )


def _framing(
    inference_model: InferenceModel,
    opened: OpenAnimation,
    video: DrivingFrames,
    report: StatusCallback,
) -> tuple[Framing, Iterable[VideoFrame]]:
    """Return the part of the driving frames, and all of the frames."""
    settings, name = opened.settings, opened.driving_name
    frames: Iterable[VideoFrame] = video
    region = None
    if settings.driving_crop == "auto":
        sample, frames = _sample(video)
        region = find_region(inference_model, sample, settings.fit, name=name)
        if region != Region(0, 0, video.width, video.height):
            report(f"{name}: cropped to {region}")
    elif settings.driving_crop != "none":
        region = Region.parse(settings.driving_crop)
    framing = frame_region(video.width, video.height, region, settings.fit, name=name)
    return replace(framing, mirrored=settings.mirror), frames


def _sample(video: DrivingFrames) -> tuple[list[Frame], Iterable[VideoFrame]]:
    """Return pictures that show the range of the motion, and all frames of the video."""
    if video.path is not None:
        with read_ahead(video, _FIRST_FRAMES) as ahead:
            return spread((frame.image for frame in ahead), _SAMPLE), video
    remaining = iter(video)
    first = list(islice(remaining, _FIRST_FRAMES))
    return [frame.image for frame in first], chain(first, remaining)


def _expected_length(video: DrivingFrames) -> int | None:
    """Return about how many frames a video has, if that is known before it is read."""
    if isinstance(video, Sized):
        return len(video)
    return None if video.path is None else announced_frames(video.path)
