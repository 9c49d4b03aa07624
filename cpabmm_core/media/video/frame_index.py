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
from cpabmm_core.media.video.decoding import decode, decoding_error, is_truncated
from cpabmm_core.media.video.display import frame_to_rgb
from cpabmm_core.media.video.library_calls import library_calls
from cpabmm_core.media.video.opening import open_input, video_stream


class FrameIndex:
    """Index of a video's frames, to read them by number.

    Construction lists the packets without decoding and then decodes the last run of frames, from a
    keyframe to the next one, to verify the list. If packets have no usable timestamps or the list
    is wrong, it decodes the whole video once to count the frames, and `read` starts at the first.
    The file does not stay open, so thousands of indices can be kept and sent to other processes.

    Args:
        path: the video or GIF.

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
        with open_input(path) as container:
            stream = self._stream(container)
            self._times, self._keys = _list_packets(container, stream, path)
            if self._keys:
                self._check_tail(container, stream)
        if not self._keys:
            with open_input(path) as container:
                frames = decode(container, self._stream(container), path)
                self._times = list(range(sum(1 for _ in frames)))
        if not self._times:
            raise MediaError(f"{path}: contains no frame; give a video with at least one")

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
        found: dict[int, Frame] = {}
        with open_input(self._path) as container:
            stream = self._stream(container)
            size = stream.codec_context.width, stream.codec_context.height
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
                found[index] = frame_to_rgb(frame, *size)
        return [found[index] for index in indices]

    def find_damage(self) -> dict[int, str]:
        """Decode the whole video to find the frames that `read` cannot return.

        Returns:
            The reason for each such frame, by its number.

        Raises:
            MediaError: the file can no longer be opened.
        """
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
        """Yield frames with their numbers, from the keyframe of a run or an earlier one."""
        if not self._keys:
            yield from enumerate(decode(container, stream, self._path))
            return
        for frame in self._decode_from(container, stream, self._keys[run]):
            if frame.pts is None:
                continue
            number = bisect_left(self._times, frame.pts)
            if number < len(self._times) and self._times[number] == frame.pts:
                yield number, frame

    def _decode_from(
        self, container: InputContainer, stream: VideoStream, key: int
    ) -> Iterator[AvFrame]:
        """Decode from the keyframe with timestamp `key`, or from an earlier one."""
        with library_calls():
            container.seek(key, stream=stream)
        yield from decode(container, stream, self._path, count=bisect_left(self._times, key))

    def _check_tail(self, container: InputContainer, stream: VideoStream) -> None:
        """Decode the last run; remove final packets without a frame, or discard the whole list."""
        start = bisect_left(self._times, self._keys[-1])
        frames = self._decode_from(container, stream, self._keys[-1])
        decoded = [f.pts for f in frames if f.pts is not None and f.pts >= self._keys[-1]]
        if decoded and decoded == self._times[start : start + len(decoded)]:
            del self._times[start + len(decoded) :]
        else:
            self._keys = []


def _list_packets(
    container: InputContainer, stream: VideoStream, path: Path
) -> tuple[list[int], list[int]]:
    """Return the sorted timestamps of frames and keyframes; empty lists if they are unreliable."""
    times: list[int] = []
    keys: list[int] = []
    with library_calls(lambda reason: decoding_error(path, len(times), reason)):
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if is_truncated(packet, container):
                raise decoding_error(path, len(times), "a packet is truncated")
            if packet.pts is None:
                return [], []
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    if len(set(times)) < len(times):
        return [], []
    return sorted(times), sorted(keys)
