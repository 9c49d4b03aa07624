"""Opening a video, decoding its frames and converting them to RGB."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.media.video.integrity import check_complete

# Since version 17 PyAV starts as many threads as there are cores for the conversion of each frame.
# One thread is faster, and threads of this kind do not survive the fork of a data worker.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    FFmpeg receives the open file, so it never interprets a name as a protocol or a pattern.

    Raises:
        MediaError: the file is missing, unreadable, truncated or of an unknown format.
    """
    require_file(path, expected="an image or video file")
    check_complete(path)
    with path.open("rb") as file:
        try:
            container = av.open(file, mode="r", metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"{path}: is not a readable video ({one_line(error)}); "
                "give an MP4, MOV, MKV, WebM, AVI or GIF"
            ) from None
        with container:
            yield container


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream that a player would show; cover pictures of sound files do not count.

    Raises:
        MediaError: there is no such stream, or its codec is unknown.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"{path}: contains no video; give a video file")
    best = container.streams.best("video")
    stream = next((s for s in streams if s is best), streams[0])
    if stream.codec_context is None:
        raise MediaError(f"{path}: its video codec is unknown; convert it to H.264")
    return stream


def decode(
    container: InputContainer, stream: VideoStream, path: Path, *, count: int = 0
) -> Iterator[AvFrame]:
    """Decode a stream from the current position of the container, and raise an error on damage.

    A last packet without a frame is accepted, because many files announce one frame more than they
    contain. Frames are decoded one at a time: with several at once FFmpeg loses errors near the end
    and all frames after them.

    Args:
        container: the open file.
        stream: its video stream.
        path: the name of the file, for errors.
        count: number of frames before the current position, for errors.

    Yields:
        The frames in presentation order.

    Raises:
        MediaError: a packet or a frame is damaged; the message states after how many frames.
    """
    failure: str | None = None
    try:
        for packet in container.demux(stream):
            if failure and packet.size:
                raise decoding_error(path, count, failure)
            if is_truncated(packet, container):
                raise decoding_error(path, count, "a packet is truncated")
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                failure = one_line(error)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    raise decoding_error(path, count, "a frame is corrupt")
                yield frame
                count += 1
    except av.FFmpegError as error:
        raise decoding_error(path, count, one_line(error)) from None
    if failure and count == 0:
        raise decoding_error(path, count, failure)


def is_truncated(packet: Packet[VideoStream], container: InputContainer) -> bool:
    """Return whether a packet lacks data.

    MPEG streams also mark every joint between recordings as corrupt, so theirs do not count.
    """
    return packet.is_corrupt and not Flags(container.format.flags) & Flags.ts_discont


def decoding_error(path: Path, count: int, reason: str) -> MediaError:
    """Return the error for a video of which only `count` frames can be decoded."""
    if count == 0:
        return MediaError(
            f"{path}: its first frame cannot be decoded ({reason}); fetch it again, or convert it "
            "to H.264"
        )
    return MediaError(
        f"{path}: damaged after {count} frames ({reason}); fetch it again, or trim it before that"
    )


def frame_to_rgb(frame: AvFrame, width: int, height: int) -> Frame:
    """Convert a decoded frame to (H, W, 3) uint8 RGB, upright and composited onto white.

    Args:
        frame: the frame.
        width: width to resize the *stored* frame to; the display matrix is applied afterwards.
        height: height to resize the stored frame to.
    """
    has_alpha = frame.format.has_palette or any(c.is_alpha for c in frame.format.components)
    form = "rgba" if has_alpha else "rgb24"
    image: NDArray[Any] = frame.to_ndarray(format=form, width=width, height=height, **_ONE_THREAD)
    if has_alpha:
        image = _composite_on_white(image)
    return _apply_display_matrix(image, frame)


def _composite_on_white(
    image: NDArray[np.uint8],  # (H, W, 4)
) -> Frame:
    alpha = image[..., 3:].astype(np.uint16)
    colour = image[..., :3].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _apply_display_matrix(
    image: Frame,  # (H, W, 3)
    frame: AvFrame,
) -> Frame:
    """Apply the right-angle part of the display matrix.

    The matrix maps the stored pixel (p, q) to the displayed pixel (a p + c q, b p + d q), plus a
    shift.
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, dtype=np.int32)[:5])
    if abs(b) > abs(a):
        image, a, d = image.swapaxes(0, 1), c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
