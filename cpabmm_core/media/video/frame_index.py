"""Frames of a video by number, without decoding all that come before."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.decoding import (
    damaged,
    decode,
    is_cut,
    open_input,
    to_rgb,
    video_stream,
)


class FrameIndex:
    """Timestamps of a video's frames, found once, to read frames by number.

    The packets are listed without decoding; then the last run of frames is decoded to see whether
    the list holds to the end. Where packets carry no usable timestamps, or the two disagree, the
    video is decoded once to count its frames, and read from its start after that. The file is not
    kept open, so that thousands of clips can be held and sent to other processes.
    """

    def __init__(self, path: Path) -> None:
        """Index a video.

        Raises:
            MediaError: the file is missing, unreadable, no video, damaged, or holds no frame.
        """
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
            raise MediaError(f"{path}: holds no frame; give a video with at least one")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._times)

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Decode the frames with these numbers, in the order asked for.

        Returns:
            (H, W, 3) uint8 RGB each, all of one size.

        Raises:
            MediaError: the video is damaged on the way to them.
        """
        found: dict[int, np.ndarray] = {}
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
                        "changed since it was opened"
                    )
                found[index] = to_rgb(frame, *size)
        return [found[index] for index in indices]

    def damage(self) -> dict[int, str]:
        """Decode the whole video to find the frames that `read` cannot give.

        Returns:
            The reason for each such frame, by its number.

        Raises:
            MediaError: the file cannot be opened any more.
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
        """The video of the file, decoded in one thread: data workers are processes enough."""
        stream = video_stream(container, self._path)
        stream.codec_context.thread_count = 1
        return stream

    def _decodable(
        self, container: InputContainer, stream: VideoStream, run: int, last: int
    ) -> tuple[set[int], str]:
        """Numbers of the frames of a run, up to its `last`, that decode, and why others do not."""
        found: set[int] = set()
        try:
            for number, _ in self._decode_run(container, stream, run):
                found.add(number)
                if number == last:
                    break
        except MediaError as error:
            return found, str(error)
        return found, f"{self._path}: damaged; its packets give fewer frames than they announce"

    def _run(self, index: int) -> int:
        """Number of the keyframe from which a frame is decoded."""
        return max(0, bisect_right(self._keys, self._times[index]) - 1) if self._keys else 0

    def _decode_run(
        self, container: InputContainer, stream: VideoStream, run: int
    ) -> Iterator[tuple[int, AvFrame]]:
        """Frames with their numbers, from a keyframe (or earlier) on."""
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
        """Decode from the keyframe shown at `key`, or from an earlier one."""
        container.seek(key, stream=stream)
        yield from decode(container, stream, self._path, count=bisect_left(self._times, key))

    def _check_tail(self, container: InputContainer, stream: VideoStream) -> None:
        """Decode the last run: forget packets at the end that give no frame, or the whole list."""
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
    """Sorted timestamps of the frames and of the keyframes; none where they cannot be relied on."""
    times: list[int] = []
    keys: list[int] = []
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if is_cut(packet, container):
                raise damaged(path, len(times), "a packet is cut short")
            if packet.pts is None:
                return [], []
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    except av.FFmpegError as error:
        raise damaged(path, len(times), one_line(error)) from None
    if len(set(times)) < len(times):
        return [], []
    return sorted(times), sorted(keys)
