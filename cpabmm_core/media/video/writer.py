"""Writing a video frame by frame, with timestamps and optionally the sound of another file."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import write_error
from cpabmm_core.media.image import check_frame
from cpabmm_core.media.video.apng_end import set_last_delay
from cpabmm_core.media.video.encodable import (
    to_coded_frame,
    to_palette_frame,
    with_alpha,
)
from cpabmm_core.media.video.encoder import add_video
from cpabmm_core.media.video.formats import VideoFormat, video_format
from cpabmm_core.media.video.frame_writer import ByteStream
from cpabmm_core.media.video.output_times import output_times
from cpabmm_core.media.video.sound import AudioTrack, SoundCallback


class VideoWriter:
    """A video file to which frames are written with their timestamps.

    By default MP4, MOV and MKV contain H.264, WebM contains VP9, all as yuv420p, which every player
    supports. H.264 then requires even sizes, so the last row or column of an odd size is repeated.
    MP4 and MOV store timestamps exactly, MKV and WebM in milliseconds, GIF in hundredths of a
    second from the first frame. If the first timestamp is negative, frames and sound are shifted to
    start at zero.

    Sound is copied if the container accepts it, and otherwise encoded in mono or stereo by a
    process of its own; a GIF has none. A fault of the sound never fails the writer: the file then
    has the sound as far as it goes, or none, and `on_sound` is told.

    Construction opens the file and writes its header. As a context manager the writer finishes the
    file, or only closes it after an error.

    Args:
        path: the file to write; its suffix determines the format.
        width: width of the frames.
        height: height of the frames.
        frame_rate: nominal frame rate; the timestamps alone determine when a frame is shown.
        time_base: seconds per unit of the timestamps.
        audio_from: file whose sound to use, if it has any.
        crf: constant rate factor of H.264 or VP9 in place of the default; lower is better.
        on_sound: called with a `SoundReport` when it is known what becomes of the sound of
            `audio_from`, and again if that changes.
        format: container, codec and options in place of those of the suffix.
        stream: written to in place of a file, from start to end; `path` then only names it.

    Raises:
        MediaError: the suffix is unknown, or a file cannot be opened or written.
        ResourceError: the disk is full.
        OutputClosedError: nobody reads the stream any more.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from cpabmm_core.media import VideoWriter
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with VideoWriter(f"{folder}/a.gif", 8, 8, 25, Fraction(1, 25)) as writer:
        ...         writer.write(np.zeros((8, 8, 3), dtype=np.uint8), pts=0)
        ...     Path(folder, "a.gif").read_bytes()[:6]
        b'GIF89a'
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        frame_rate: Fraction | int,
        time_base: Fraction,
        *,
        audio_from: str | Path | None = None,
        crf: int | None = None,
        on_sound: SoundCallback = lambda _: None,
        format: VideoFormat | None = None,
        stream: ByteStream | None = None,
    ) -> None:
        self.path = Path(path)
        self.width, self.height = width, height
        form = format or video_format(self.path)
        if crf is not None:
            form = replace(form, codec_options={**form.codec_options, "crf": str(crf)})
        self._format = form
        self._target = stream
        self._times = output_times(self._format.name, time_base)
        self._durations: dict[int, int] = {}
        self._last_duration = 0
        self._audio: AudioTrack | None = None
        try:
            self._container = self._open()
        except (OSError, av.FFmpegError) as error:
            raise write_error(self.path, error) from None
        try:
            self._stream = add_video(
                self._container,
                self._format,
                (width, height),
                Fraction(frame_rate),
                self._times.time_base,
                self.path,
            )
            if audio_from is not None and self._format.audio is not None:
                self._audio = AudioTrack(
                    Path(audio_from), self._container, self._format.audio, on_sound
                )
            self._container.start_encoding()
        except (OSError, av.FFmpegError) as error:
            self._abandon()
            raise write_error(self.path, error) from None
        except BaseException:
            self._abandon()
            raise

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
        """Append a frame.

        Args:
            image: the frame, RGB or RGBA, of the size given at construction.
            pts: presentation time in units of the time base, greater than that of the last frame.
            duration: duration in the same units; it matters only for the last frame, and 0 leaves
                it open.

        Raises:
            MediaError: the size, type or timestamp is wrong, or the file cannot be written.
            ResourceError: the disk is full.
        """
        check_frame(image, self.path, alpha=self._format.keeps_alpha)
        if image.shape[:2] != (self.height, self.width):
            raise MediaError(
                f"{self.path}: expected frames of {self.width} x {self.height}, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        if self._times.last is not None and pts <= self._times.last:
            raise MediaError(f"{self.path}: timestamp {pts} is not greater than {self._times.last}")
        frame = self._to_video_frame(image)
        frame.pts, frame.time_base = self._times.place(pts), self._times.time_base
        self._last_duration = self._durations[frame.pts] = self._times.convert(duration)
        try:
            self._mux(self._stream.encode(frame))
            if self._audio:
                self._audio.write_until(frame.pts * self._times.time_base, self._times.delay)
        except (OSError, av.FFmpegError) as error:
            raise write_error(self.path, error) from None

    def close(self) -> None:
        """Write the buffered frames, the rest of the sound and the end of the file.

        Raises:
            MediaError: no frame was written, or the file cannot be written.
            ResourceError: the disk is full.
        """
        if self._times.last is None:
            self._abandon()
            raise MediaError(f"{self.path}: no frame was written")
        try:
            self._mux(self._stream.encode(None))
            if self._audio:
                self._audio.write_until(None, self._times.delay)
            self._container.close()
            if self._format.name == "apng" and self._last_duration:
                set_last_delay(self.path, self._last_duration * self._times.time_base)
        except (OSError, av.FFmpegError) as error:
            raise write_error(self.path, error) from None
        finally:
            self._abandon()

    def _open(self) -> OutputContainer:
        options = dict(self._format.options)
        if self._format.muxer in ("mp4", "mov"):
            # A late start is stored in these units; their default is 1/1000 s.
            options["movie_timescale"] = str(self._times.time_base.denominator)
        target = str(self.path.absolute()) if self._target is None else self._target
        return av.open(target, mode="w", format=self._format.muxer, options=options)

    def _to_video_frame(
        self,
        image: Frame,  # (H, W, 3 or 4)
    ) -> AvFrame:
        if self._format.keeps_alpha:
            image = with_alpha(image)
        if self._format.pixels == "pal8":
            return to_palette_frame(image, self._format.colours)
        context = self._stream.codec_context
        return to_coded_frame(image, context.width, context.height, self._format.pixels)

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        for packet in packets:
            duration = self._durations.pop(packet.pts or 0, 0)
            if duration:
                packet.duration = duration
            self._container.mux(packet)

    def _abandon(self) -> None:
        with suppress(OSError, av.FFmpegError):
            self._container.close()
        if self._audio:
            self._audio.close()
