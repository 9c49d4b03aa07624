"""What reading frames and picking frames out of a video share: opening, decoding, RGB."""

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

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file
from cpabmm_core.media.video.integrity import require_whole

# From version 17 on PyAV converts a frame in as many threads as there are cores, started anew for
# each frame: slower than one, and threads of this kind do not survive the fork of a data worker.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    The file is handed to FFmpeg opened, so that no name is taken for a protocol or a pattern.

    Raises:
        MediaError: the file is missing, unreadable, cut short or of no known format.
    """
    require_file(path)
    require_whole(path)
    with path.open("rb") as file:
        try:
            container = av.open(file, mode="r", metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"{path}: not a video that can be read ({one_line(error)}); "
                "give an MP4, MOV, MKV, WebM, AVI or GIF"
            ) from None
        with container:
            yield container


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream that a player would show; cover pictures of sound files do not count.

    Raises:
        MediaError: there is none, or its codec is unknown.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"{path}: holds no video; give a video file")
    best = container.streams.best("video")
    stream = next((s for s in streams if s is best), streams[0])
    if stream.codec_context is None:
        raise MediaError(f"{path}: its video codec is unknown; convert it to H.264")
    return stream


def decode(
    container: InputContainer, stream: VideoStream, path: Path, *, count: int = 0
) -> Iterator[AvFrame]:
    """Decode a stream from where the container stands, and take damage for an error.

    A last packet that gives no frame is let pass: many files announce one frame more than they
    hold. Several frames are not decoded at once, for FFmpeg then loses the errors, and all frames
    after them, near the end.

    Args:
        container: the open file.
        stream: its video.
        path: its name, for errors.
        count: number of frames before where the container stands, for errors.

    Raises:
        MediaError: a packet or a frame is damaged; says after how many frames.
    """
    failure: str | None = None
    try:
        for packet in container.demux(stream):
            if failure and packet.size:
                raise damaged(path, count, failure)
            if is_cut(packet, container):
                raise damaged(path, count, "a packet is cut short")
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                failure = one_line(error)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    raise damaged(path, count, "a frame is broken")
                yield frame
                count += 1
    except av.FFmpegError as error:
        raise damaged(path, count, one_line(error)) from None
    if failure and count == 0:
        raise damaged(path, count, failure)


def is_cut(packet: Packet[VideoStream], container: InputContainer) -> bool:
    """Whether a packet misses data; MPEG streams mark every joint between recordings like that."""
    return packet.is_corrupt and not Flags(container.format.flags) & Flags.ts_discont


def damaged(path: Path, count: int, reason: str) -> MediaError:
    """The error for a video of which only `count` frames can be decoded."""
    if count == 0:
        return MediaError(
            f"{path}: its first frame cannot be decoded ({reason}); fetch it again, or convert it "
            "to H.264"
        )
    return MediaError(
        f"{path}: damaged after {count} frames ({reason}); fetch it again, or cut it before that"
    )


def to_rgb(frame: AvFrame, width: int, height: int) -> np.ndarray:
    """A decoded frame as (H, W, 3) uint8 RGB, upright and without transparency.

    Args:
        frame: the frame.
        width: width to bring the *stored* frame to; the display matrix is applied after.
        height: height, likewise.
    """
    has_alpha = frame.format.has_palette or any(c.is_alpha for c in frame.format.components)
    form = "rgba" if has_alpha else "rgb24"
    image = frame.to_ndarray(format=form, width=width, height=height, **_ONE_THREAD)
    if has_alpha:
        image = _on_white(image)
    return _upright(image, frame)


def _on_white(
    image: np.ndarray,  # (H, W, 4) uint8
) -> np.ndarray:
    alpha = image[..., 3:].astype(np.uint16)
    colour = image[..., :3].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _upright(
    image: np.ndarray,  # (H, W, 3)
    frame: AvFrame,
) -> np.ndarray:
    """Apply the right-angle part of the display matrix.

    The matrix maps a stored pixel (p, q) to the shown one (a p + c q, b p + d q), up to a shift.
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
