"""Writing an animated WebP in constant memory.

The encoder of libwebp stores only what changes between frames, but keeps all of them until the end.
So it receives one stretch of frames after the other, and their frames are joined in one file.
"""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

import struct
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.video.codeccontext import VideoCodecContext

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import write_error
from cpabmm_core.media.image import check_frame
from cpabmm_core.media.video.encodable import to_coded_frame, with_alpha
from cpabmm_core.media.video.formats import VideoFormat
from cpabmm_core.media.video.output_times import output_times

_STRETCH = 64
"""Frames that the encoder receives at a time."""
_HEADER = 12
_FRAME_HEADER = 16
_HAS_ALPHA, _IS_ANIMATED = 0x10, 0x02
_CLEAR, _DO_NOT_BLEND = 0x01, 0x02
_USUAL_DELAY = 100
"""Milliseconds, for a single frame without a duration."""
_LONGEST = 2**24 - 1
_IMAGE_CHUNKS = (b"ALPH", b"VP8 ", b"VP8L")


class WebpWriter:
    """An animated WebP to which frames are written with their timestamps; it repeats for ever.

    Delays are stored in milliseconds, none of them below 11 ms, which players would replace.
    Frames that equal the one before them only make that one longer.

    Args:
        path: the file to write.
        width: width of the frames.
        height: height of the frames.
        time_base: seconds per unit of the timestamps.
        format: options of the encoder, and whether frames keep their transparency.

    Raises:
        MediaError: the file cannot be written.
    """

    def __init__(
        self, path: Path, width: int, height: int, time_base: Fraction, format: VideoFormat
    ) -> None:
        self._path, self._size, self._format = path, (width, height), format
        self._times = output_times(format.name, time_base)
        self._encoder: VideoCodecContext | None = None
        self._first: Frame | None = None
        self._count = self._start = self._last = self._duration = 0
        try:
            self._file = path.open("wb")
            self._file.write(self._head())
        except OSError as error:
            raise write_error(path, error) from None

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file, or only close it after an error."""
        if error is None:
            self.close()
        else:
            self._abandon()

    def write(
        self,
        image: Frame,  # (H, W, 3), or (H, W, 4) if the format keeps transparency
        pts: int,
        duration: int = 0,
    ) -> None:
        """Append a frame; see `VideoWriter.write`."""
        check_frame(image, self._path, alpha=self._format.keeps_alpha)
        if image.shape[1::-1] != self._size:
            raise MediaError(
                f"{self._path}: expected frames of {self._size[0]} x {self._size[1]}, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        if self._times.last is not None and pts <= self._times.last:
            raise MediaError(
                f"{self._path}: timestamp {pts} is not greater than {self._times.last}"
            )
        time = self._times.place(pts)
        try:
            if self._count == _STRETCH:
                self._end_stretch(time)
            self._encode(with_alpha(image), time)
        except (OSError, av.FFmpegError) as error:
            raise write_error(self._path, error) from None
        self._last, self._duration = time, self._times.convert(duration)

    def close(self) -> None:
        """Write the buffered frames and the end of the file.

        Raises:
            MediaError: no frame was written, or the file cannot be written.
            ResourceError: the disk is full.
        """
        if self._times.last is None:
            self._abandon()
            raise MediaError(f"{self._path}: no frame was written")
        usual = max(self._last - self._start, 0) // max(self._count - 1, 1) or _USUAL_DELAY
        try:
            self._end_stretch(self._last + (self._duration or usual))
            size = self._file.tell()
            self._file.seek(4)
            self._file.write(struct.pack("<I", size - 8))
            self._file.close()
        except (OSError, av.FFmpegError) as error:
            raise write_error(self._path, error) from None
        finally:
            self._abandon()

    def _head(self) -> bytes:
        flags = _IS_ANIMATED | (_HAS_ALPHA if self._format.keeps_alpha else 0)
        canvas = b"".join(_three_bytes(side - 1) for side in self._size)
        extended = _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + canvas)
        return b"RIFF\0\0\0\0WEBP" + extended + _chunk(b"ANIM", bytes(6))  # no colour, for ever

    def _encode(self, image: Frame, time: int) -> None:
        if self._encoder is None:
            self._encoder = self._open_encoder(self._format.codec)
            self._start, self._first = time, image
        frame = to_coded_frame(image, *self._size, self._format.pixels)
        frame.pts, frame.time_base = time - self._start, self._times.time_base
        for _ in self._encoder.encode(frame):
            raise MediaError(f"{self._path}: the encoder of WebP ended early")
        self._count += 1

    def _open_encoder(self, name: str) -> VideoCodecContext:
        encoder = av.CodecContext.create(name, "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height = self._size
        encoder.pix_fmt, encoder.time_base = self._format.pixels, self._times.time_base
        encoder.options = dict(self._format.codec_options)
        return encoder

    def _end_stretch(self, end: int) -> None:
        """Write the frames that the encoder holds; the last of them is shown until `end`."""
        assert self._encoder is not None
        data = b"".join(bytes(packet) for packet in self._encoder.encode(None))
        bodies = [body for kind, body in _chunks(data) if kind == b"ANMF"]
        if not bodies or bodies[0][:12] != self._whole_canvas():
            bodies[:1] = [self._first_frame(bodies)]
        time = self._start
        for number, body in enumerate(bodies):
            is_last = number == len(bodies) - 1
            delay = end - time if is_last else int.from_bytes(body[12:15], "little")
            flags = body[15] | (0 if number else _DO_NOT_BLEND)
            head = body[:12] + _three_bytes(min(delay, _LONGEST)) + bytes([flags])
            self._file.write(_chunk(b"ANMF", head + body[_FRAME_HEADER:]))
            time += delay
        self._encoder, self._first, self._count = None, None, 0

    def _first_frame(self, bodies: list[bytes]) -> bytes:
        """Return the first frame of a stretch on the whole canvas, which hides the one before.

        The encoder crops transparent borders, and returns a still picture if nothing moves.
        """
        assert self._first is not None
        encoder = self._open_encoder("libwebp")
        frame = to_coded_frame(self._first, *self._size, self._format.pixels)
        frame.pts, frame.time_base = 0, self._times.time_base
        packets = [*encoder.encode(frame), *encoder.encode(None)]
        still = b"".join(bytes(packet) for packet in packets)
        image = b"".join(_chunk(*each) for each in _chunks(still) if each[0] in _IMAGE_CHUNKS)
        # The delay, and whether the frame is cleared after it.
        rest = bodies[0][12:15] + bytes([bodies[0][15] & _CLEAR]) if bodies else bytes(4)
        return self._whole_canvas() + rest + image

    def _whole_canvas(self) -> bytes:
        return bytes(6) + b"".join(_three_bytes(side - 1) for side in self._size)

    def _abandon(self) -> None:
        self._encoder = self._first = None
        with suppress(OSError):
            self._file.close()


def _three_bytes(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and the contents of the chunks of a WebP."""
    position = _HEADER
    while position < len(data):
        kind, size = data[position : position + 4], *struct.unpack_from("<I", data, position + 4)
        yield kind, data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
