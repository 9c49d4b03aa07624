"""Animate and reconstruct whole videos on disk, keeping timestamps and sound."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Literal

from cpabmm_core.arrays import Frame
from cpabmm_core.inference.animator import Animator
from cpabmm_core.inference.reconstructor import FrameErrors, VideoScore, reconstruct, score_video
from cpabmm_core.media.frame_folder import FrameFolderWriter, create_frame_folder
from cpabmm_core.media.timed_frames import TimedFrames
from cpabmm_core.media.video import VideoReader, VideoWriter
from cpabmm_core.media.video.sound import SoundCallback
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import PrecisionChoice
from cpabmm_core.progress import Progress

AudioChoice = Literal["copy", "none"]
"""Whether an animation keeps the sound of the driving video."""
FramePairCallback = Callable[[Frame, Frame], None]
"""Called with each real and generated frame, both (S, S, 3) uint8 RGB."""


def animate_video(
    animator: Animator,
    source: Frame,
    driving: VideoReader,
    output: Path,
    *,
    audio: AudioChoice = "copy",
    on_sound: SoundCallback = lambda _: None,
    progress: Progress | None = None,
) -> int:
    """Animate an image by a driving video and write the result, in constant memory.

    Args:
        animator: generates the frames.
        source: (H, W, 3) uint8 RGB.
        driving: provides the poses, the timestamps and the sound.
        output: file to write; its suffix chooses the format.
        audio: ``copy`` keeps the sound of the driving video; ``none`` does not even open it.
        on_sound: called when it is known what becomes of the sound, and again if that changes.
        progress: called after each frame.

    Returns:
        The number of frames, the same as in the driving video.

    Raises:
        MediaError: the driving video is damaged, or the output cannot be written.
        ResourceError: the disk is full.

    Example:
        >>> from fractions import Fraction
        >>> from tempfile import TemporaryDirectory
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.puppets import render_puppet
        >>> video = render_puppet(seed=7, index=0, split="test", frames=3, size=96)
        >>> with TemporaryDirectory() as folder:
        ...     driving, output = Path(folder) / "driving.mp4", Path(folder) / "output.mp4"
        ...     with VideoWriter(driving, 96, 96, 25, Fraction(1, 25)) as writer:
        ...         for number, frame in enumerate(video.frames):
        ...             writer.write(frame, number)
        ...     animator = Animator(load_model("puppets", device="cpu"))
        ...     with VideoReader(driving) as reader:
        ...         animate_video(animator, video.frames[0], reader, output)
        3
    """
    clock = _Timestamps(driving)
    audio_from = driving.path if audio == "copy" and driving.has_audio else None
    frames = animator.animate(source, clock.images())
    first = next(frames)  # a `VideoReader` has at least one
    height, width = first.shape[:2]
    with _video_writer(output, width, height, driving, audio_from, on_sound) as writer:
        for count, frame in enumerate(chain([first], frames), 1):
            writer.write(frame, *clock.next())
            if progress:
                progress(count, None)
    return count


def reconstruct_video(
    model: AnimationModel,
    clip: TimedFrames,
    output: Path,
    *,
    as_frames: bool = False,
    batch_size: int | None = None,
    precision: PrecisionChoice = "fp32",
    on_pair: FramePairCallback | None = None,
    progress: Progress | None = None,
) -> VideoScore:
    """Reconstruct a clip from its first frame and write the generated frames, in constant memory.

    Args:
        model: generates the frames, on its current device.
        clip: the real frames and their timestamps.
        output: file to write; its suffix chooses the format.
        as_frames: write a folder of PNG frames instead, which is lossless but has no timestamps.
        batch_size: as for `reconstruct`.
        precision: as for `reconstruct`.
        on_pair: called with each real and generated frame, before any lossy coding.
        progress: called after each frame.

    Returns:
        The mean errors of the video.

    Raises:
        MediaError: the clip is damaged, or the output cannot be written.
        DataError: the clip has no frames.
        ResourceError: the disk is full.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from cpabmm_core import load_model
        >>> from cpabmm_core.media.timed_frames import open_frames
        >>> from cpabmm_core.puppets import write_puppets
        >>> model = load_model("puppets", device="cpu")
        >>> with TemporaryDirectory() as folder:
        ...     data = Path(folder) / "data"
        ...     write_puppets(
        ...         data, videos=1, test_videos=1, frames=3, size=96, seed=7, format="strip"
        ...     )
        ...     [clip] = (data / "test").glob("*.png")
        ...     score = reconstruct_video(model, open_frames(clip), Path(folder) / "out.mp4")
        >>> score.frames
        3
    """
    clock = _Timestamps(clip)
    errors: list[FrameErrors] = []
    images = clock.images()
    with _writer(output, model.frame_size, clip, as_frames=as_frames) as writer:
        for frame in reconstruct(model, images, batch_size=batch_size, precision=precision):
            writer.write(frame.generated, *clock.next())
            errors.append(frame.errors)
            if on_pair:
                on_pair(frame.real, frame.generated)
            if progress:
                progress(len(errors), None)
    return score_video(errors)


class _Timestamps:
    """Yields a clip's images and keeps their timestamps until the results are written."""

    def __init__(self, clip: TimedFrames) -> None:
        self._clip = clip
        self._waiting: deque[tuple[int, int]] = deque()

    def images(self) -> Iterator[Frame]:
        for frame in self._clip:
            self._waiting.append((frame.pts, frame.duration))
            yield frame.image

    def next(self) -> tuple[int, int]:
        """Return the timestamp and the duration of the earliest image without a result."""
        return self._waiting.popleft()


def _writer(
    output: Path, size: int, clip: TimedFrames, *, as_frames: bool
) -> AbstractContextManager[VideoWriter | FrameFolderWriter]:
    return create_frame_folder(output) if as_frames else _video_writer(output, size, size, clip)


def _video_writer(
    output: Path,
    width: int,
    height: int,
    clip: TimedFrames,
    audio_from: Path | None = None,
    on_sound: SoundCallback = lambda _: None,
) -> VideoWriter:
    rate, base = clip.frame_rate, clip.time_base
    return VideoWriter(output, width, height, rate, base, audio_from=audio_from, on_sound=on_sound)
