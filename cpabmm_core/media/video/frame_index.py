"""Reading frames of a video by number, without decoding all previous ones."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import require_file
from cpabmm_core.media.video.decoding import decode
from cpabmm_core.media.video.frame_shape import FrameShape
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.opening import open_input, video_stream
from cpabmm_core.media.video.packet_list import list_packets
from cpabmm_core.media.video.picture_frames import PictureFrames, is_picture


class _SeekError(MediaError):
    """The file cannot be read from the middle."""


class FrameIndex:
    """Index of a video's frames, to read them by number.

    Numbers and images are those of the frames that `VideoReader` yields.

    Construction lists the packets without decoding and then decodes the first frame and the last
    run of frames, from a keyframe to the next one, to verify the list. If packets have no usable
    timestamps or the list is wrong, it decodes the whole video once to count the frames, and `read`
    starts at the first. The file does not stay open, so thousands of indices can be kept and sent
    to other processes.

    Args:
        path: the video, GIF or picture.

    Raises:
        MediaError: the file is missing, unreadable, no video, damaged, or contains no frame.

    Example:
        >>> import tempfile
        >>> from fractions import Fraction
        >>> import numpy as np
        >>> from cpabmm_core.media import FrameIndex, VideoWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "clip.mp4")
        ...     with VideoWriter(path, 64, 64, 25, Fraction(1, 25)) as writer:
        ...         for pts in range(3):
        ...             writer.write(np.full((64, 64, 3), 100 * pts, dtype=np.uint8), pts)
        ...     index = FrameIndex(path)
        ...     len(index), index.read([2])[0].shape
        (3, (64, 64, 3))
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        require_file(path, expected="an image or video file")
        self._picture = PictureFrames(path) if is_picture(path) else None
        self._times: list[int] = list(range(len(self._picture or ())))
        self._keys: list[int] = []
        if self._picture:
            return
        with open_input(path) as container:
            stream = self._stream(container)
            packets = list_packets(container, stream, path)
            self._times, self._keys = packets.times, packets.keys
            if self._keys:
                self._check_list(container, stream)
        if not self._keys:
            with open_input(path) as container:
                stream = self._stream(container)
                self._count_frames(stream, decode(container, stream, path))

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._times)

    def read(self, indices: Sequence[int]) -> list[Frame]:
        """Decode the frames with these numbers, in the given order.

        Args:
            indices: frame numbers from 0.

        Returns:
            (H, W, 3) uint8 RGB each, all of one size.

        Raises:
            MediaError: the video is damaged at or before one of the frames.
        """
        if self._picture:
            return self._picture.read(indices)
        found: dict[int, Frame] = {}
        with open_input(self._path) as container:
            stream = self._stream(container)
            frames: Iterator[tuple[int, AvFrame]] = iter(())
            run = None
            for index in sorted(set(indices)):
                if self._run(index) != run:
                    run = self._run(index)
                    frames = self._decode_run(container, stream, run)
                frame = next((frame for number, frame in frames if number == index), None)
                if frame is None:
                    raise MediaError(
                        f"{self._path}: frame {index} does not decode; the file is damaged or "
                        "has changed since it was opened"
                    )
                found[index] = self._shape.to_rgb(frame)
        return [found[index] for index in indices]

    def find_damage(self) -> dict[int, str]:
        """Decode the whole video to find the frames that `read` cannot return.

        Returns:
            The reason for each such frame, by its number.

        Raises:
            MediaError: the file can no longer be opened.
        """
        if self._picture:
            return self._picture.find_damage()
        lost: dict[int, str] = {}
        with open_input(self._path) as container:
            stream = self._stream(container)
            for run, group in groupby(range(len(self)), self._run):
                numbers = list(group)
                found, reason = self._decodable(container, stream, run, numbers[-1])
                lost |= dict.fromkeys((n for n in numbers if n not in found), reason)
        return lost

    def _stream(self, container: InputContainer) -> VideoStream:
        """Return the video stream, decoded in one thread because data workers run in parallel."""
        stream = video_stream(container, self._path)
        stream.codec_context.thread_count = 1
        return stream

    def _decodable(
        self, container: InputContainer, stream: VideoStream, run: int, last: int
    ) -> tuple[set[int], str]:
        """Return the numbers of the frames of a run that decode, and why the others do not."""
        found: set[int] = set()
        try:
            for number, _ in self._decode_run(container, stream, run):
                found.add(number)
                if number == last:
                    break
        except MediaError as error:
            return found, str(error)
        return found, f"{self._path}: damaged; it contains fewer frames than its packets announce"

    def _run(self, index: int) -> int:
        """Return the number of the run that contains a frame."""
        return max(0, bisect_right(self._keys, self._times[index]) - 1) if self._keys else 0

    def _decode_run(
        self, container: InputContainer, stream: VideoStream, run: int
    ) -> Iterator[tuple[int, AvFrame]]:
        """Yield frames with their numbers, from the keyframe of a run or an earlier one.

        A packet without a frame of its own, which the list could not tell, means that the frame
        before it stays.
        """
        if not self._keys:
            yield from enumerate(decode(container, stream, self._path))
            return
        last: tuple[int, AvFrame] | None = None
        for frame in self._decode_from(container, stream, self._keys[run]):
            number = bisect_left(self._times, frame.pts) if frame.pts is not None else len(self)
            if number == len(self) or self._times[number] != frame.pts:
                continue
            if last:
                yield from ((missing, last[1]) for missing in range(last[0] + 1, number))
            last = number, frame
            yield last

    def _decode_from(
        self, container: InputContainer, stream: VideoStream, key: int
    ) -> Iterator[AvFrame]:
        """Decode from the keyframe with timestamp `key`, or from an earlier one."""
        with library_calls(self._seek_error):
            container.seek(key, stream=stream)
        yield from decode(container, stream, self._path, count=bisect_left(self._times, key))

    def _seek_error(self, reason: str) -> _SeekError:
        return _SeekError(
            f"{self._path}: cannot be read from its middle ({reason})", "convert it to H.264"
        )

    def _check_list(self, container: InputContainer, stream: VideoStream) -> None:
        """Compare both ends of the list with what decodes; discard the list if they differ."""
        try:
            self._check_tail(container, stream)
            if self._keys:
                self._check_head(container, stream)
        except _SeekError:
            self._keys = []

    def _check_tail(self, container: InputContainer, stream: VideoStream) -> None:
        """Decode the last run; remove final packets without a frame, or discard the whole list."""
        start = bisect_left(self._times, self._keys[-1])
        frames = self._decode_from(container, stream, self._keys[-1])
        decoded = [f.pts for f in frames if f.pts is not None and f.pts >= self._keys[-1]]
        if decoded and decoded == self._times[start : start + len(decoded)]:
            del self._times[start + len(decoded) :]
        else:
            self._keys = []

    def _check_head(self, container: InputContainer, stream: VideoStream) -> None:
        """Decode the first frame; discard the whole list if it is not the first of the list."""
        first = next(self._decode_from(container, stream, self._keys[0]), None)
        if first is None or first.pts != self._times[0]:
            self._keys = []
        else:
            self._shape = FrameShape.of(stream, first, self._path)

    def _count_frames(self, stream: VideoStream, frames: Iterator[AvFrame]) -> None:
        """Decode all frames to count them."""
        first = next(frames, None)
        if first is None:
            raise MediaError(f"{self._path}: contains no frame; give a video with at least one")
        self._shape = FrameShape.of(stream, first, self._path)
        self._times = list(range(1 + sum(1 for _ in frames)))
