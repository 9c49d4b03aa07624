"""From video to video: what a model draws, with the timestamps and the sound of its input."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path

from cpabmm_core.arrays import Frame
from cpabmm_core.inference.animator import Animator
from cpabmm_core.inference.reconstructor import Reconstruction, reconstruct
from cpabmm_core.media.frame_folder import FrameFolderWriter, create_frame_folder
from cpabmm_core.media.timed_frames import TimedFrames
from cpabmm_core.media.video import VideoReader, VideoWriter
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import PrecisionChoice

Progress = Callable[[int], None]
"""Called after each frame with the number of frames written."""
Watcher = Callable[[Frame, Frame], None]
"""Called with each real and generated frame as they are drawn, both (S, S, 3)."""


def animate_video(
    animator: Animator,
    source: Frame,
    driving: VideoReader,
    output: Path,
    *,
    progress: Progress | None = None,
) -> int:
    """Animate a picture by a video and write the result, in constant memory.

    Args:
        animator: draws the frames.
        source: (H, W, 3) uint8 RGB.
        driving: gives the poses, the timestamps and the sound.
        output: file to write; its suffix chooses the format.
        progress: told of each frame.

    Returns:
        The number of frames, that of the driving video.

    Raises:
        MediaError: the driving video is broken, or the output cannot be written.
        ResourceError: the disk is full.
    """
    timeline = _Timeline(driving, progress)
    frames = animator.animate(source, timeline.images())
    return timeline.write(frames, output, audio_from=driving.path)


def reconstruct_video(
    model: AnimationModel,
    clip: TimedFrames,
    output: Path,
    *,
    as_frames: bool = False,
    batch_size: int | None = None,
    precision: PrecisionChoice = "fp32",
    watch: Watcher | None = None,
    progress: Progress | None = None,
) -> Reconstruction:
    """Reconstruct a clip from its first frame and write what was drawn, in constant memory.

    Args:
        model: draws the frames, on the device where it is.
        clip: the real frames and their timestamps.
        output: file to write; its suffix chooses the format.
        as_frames: write a folder of PNG frames instead: lossless, but without timestamps.
        batch_size: as for `reconstruct`.
        precision: as for `reconstruct`.
        watch: is shown each pair of frames before anything lossy happens to it.
        progress: told of each frame.

    Returns:
        The exhausted reconstruction, for its scores.

    Raises:
        MediaError: the clip is broken, or the output cannot be written.
        ResourceError: the disk is full.
    """
    timeline = _Timeline(clip, progress)
    drawn = reconstruct(model, timeline.images(), batch_size=batch_size, precision=precision)
    timeline.write(_generated(drawn, watch), output, as_frames=as_frames)
    return drawn


def _generated(drawn: Reconstruction, watch: Watcher | None) -> Iterator[Frame]:
    for real, generated in drawn:
        if watch:
            watch(real, generated)
        yield generated


class _Timeline:
    """Hands out a clip's images and gives their times to the frames that are drawn from them."""

    def __init__(self, clip: TimedFrames, progress: Progress | None) -> None:
        self._clip = clip
        self._progress = progress
        self._times: deque[tuple[int, int]] = deque()  # of the images that are not yet drawn

    def images(self) -> Iterator[Frame]:
        for frame in self._clip:
            self._times.append((frame.pts, frame.duration))
            yield frame.image

    def write(
        self,
        frames: Iterator[Frame],
        output: Path,
        *,
        as_frames: bool = False,
        audio_from: Path | None = None,
    ) -> int:
        first = next(frames)  # a clip has at least one
        count = 0
        with self._open(output, first, as_frames, audio_from) as writer:
            for count, frame in enumerate(chain([first], frames), 1):
                writer.write(frame, *self._times.popleft())
                if self._progress:
                    self._progress(count)
        return count

    def _open(
        self, output: Path, first: Frame, as_frames: bool, audio_from: Path | None
    ) -> AbstractContextManager[VideoWriter | FrameFolderWriter]:
        if as_frames:
            return create_frame_folder(output)
        height, width, _ = first.shape
        rate, base = self._clip.frame_rate, self._clip.time_base
        return VideoWriter(output, width, height, rate, base, audio_from=audio_from)
