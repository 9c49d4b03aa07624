"""The frames of a video stream that FFmpeg decodes, in order."""

from collections.abc import Generator
from pathlib import Path

from cpabmm_core.media.video.opening import open_input
from cpabmm_core.media.video.stream_reading import StreamReading
from cpabmm_core.media.video.video_frame import VideoFrame


class StreamFrames:
    """The video stream of a file; opened for its properties, and again by each iteration.

    Args:
        path: the file.
        alpha: whether to keep the transparency of a format that has some.

    Raises:
        MediaError: the file is missing, unreadable, no video, or contains no frame; or its frames
            are too large.
    """

    def __init__(self, path: Path, *, alpha: bool = False) -> None:
        self.path, self._alpha = path, alpha
        with open_input(path) as container:
            reading = StreamReading(container, path, path, alpha=alpha)
            first, self._shape = reading.read_first()
            self.height, self.width = self._shape.to_rgb(first).shape[:2]
            self.frame_rate = reading.timing.frame_rate
            self.time_base = reading.timing.time_base
            self.has_audio = reading.has_audio

    def __iter__(self) -> Generator[VideoFrame]:
        """Iterate over all frames from the first one; each lasts until the next one."""
        with open_input(self.path) as container:
            reading = StreamReading(container, self.path, self.path, alpha=self._alpha)
            yield from reading.frames(self._shape)
