"""Reading a video frame by frame, in constant memory, with exact timestamps."""

from collections.abc import Generator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from cpabmm_core.files.checks import require_file
from cpabmm_core.media.video.picture_frames import PictureFrames, is_picture
from cpabmm_core.media.video.stream_frames import StreamFrames
from cpabmm_core.media.video.video_frame import VideoFrame


class VideoReader:
    """A video, GIF or still image as a sequence of frames, which can be iterated several times.

    Timestamps are strictly increasing, and variable frame rates are preserved. Zero is the start of
    the frames, or of the sound if that starts at least 0.1 s earlier. So a recording that begins an
    hour late or early begins at zero, and frames stay in sync with the sound. A frame whose
    timestamp is missing or repeated follows after one interval, and so does the second of two
    joined recordings.

    Frames are as a player shows them: upright, with square pixels, composited onto white, and in
    the standard dynamic range. A frame of another size than the first one is resized to it. An
    empty frame means that the one before it stays: that one lasts longer, and none is counted. A
    picture is read by the rules of `read_image`; an animated one gives all frames once, and a delay
    of 10 ms or less counts as 100 ms, as in browsers.

    Damage and a missing end raise `MediaError`.

    Construction opens the file and decodes its first frame. As a context manager the reader closes
    the file even if an iteration was not finished.

    Args:
        path: the file.
        alpha: whether to keep transparency. Then the frames of an animation or a video with
            transparency, and a picture that has some, are (H, W, 4), not premultiplied.

    Raises:
        MediaError: the file is missing, unreadable, no video, or contains no frame; or its frames
            have more than 8192 x 8192 pixels in all.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import VideoReader, VideoWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with VideoWriter(f"{folder}/a.mp4", 64, 64, 25, Fraction(1, 25)) as writer:
        ...         for pts in (0, 1, 5):  # a variable frame rate
        ...             writer.write(np.zeros((64, 64, 3), dtype=np.uint8), pts)
        ...     with VideoReader(f"{folder}/a.mp4") as reader:
        ...         [str(frame.pts * reader.time_base) for frame in reader]
        ['0', '1/25', '1/5']
    """

    width: int
    """Width of the frames, upright and with square pixels."""
    height: int
    """Height of the frames, upright and with square pixels."""
    frame_rate: Fraction
    """Nominal number of frames per second."""
    time_base: Fraction
    """Seconds per unit of the timestamps."""
    has_audio: bool
    """Whether the file contains sound."""
    is_live = False
    """Whether the frames come at their times, as those of a camera do."""

    def __init__(self, path: str | Path, *, alpha: bool = False) -> None:
        self.path = Path(path)
        self._is_stopped = False
        self._open: list[Generator[VideoFrame]] = []
        require_file(self.path, expected="an image or video file")
        kind = PictureFrames if is_picture(self.path) else StreamFrames
        self._source = kind(self.path, alpha=alpha)
        self.width, self.height = self._source.width, self._source.height
        self.frame_rate, self.time_base = self._source.frame_rate, self._source.time_base
        self.has_audio = self._source.has_audio

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, even if an iteration was not finished."""
        for frames in self._open:
            frames.close()

    def __iter__(self) -> Generator[VideoFrame]:
        """Iterate over all frames from the first one."""
        frames = self._until_stop()
        self._open.append(frames)
        return frames

    def stop(self) -> None:
        """End all iterations after the frame that is being read; any thread may call this."""
        self._is_stopped = True

    def _until_stop(self) -> Generator[VideoFrame]:
        with closing(iter(self._source)) as frames:
            for frame in frames:
                if self._is_stopped:
                    return
                yield frame
