"""Writing a video frame by frame, with given timestamps and the sound of another file."""

from __future__ import annotations  # `Packet` takes its parameter only in stubs

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import write_error
from cpabmm_core.media.image import check_frame
from cpabmm_core.media.video.decoding import open_input
from cpabmm_core.media.video.encodable import as_palette, as_yuv, tag_colours
from cpabmm_core.media.video.formats import video_format
from cpabmm_core.media.video.output_times import GifTimes, Times
from cpabmm_core.media.video.sound import AudioTrack


class VideoWriter:
    """A video file that takes frames with their timestamps.

    MP4, MOV and MKV hold H.264, WebM holds VP9, all as yuv420p, which every player shows; H.264
    then needs even sizes, so an odd one gets its last row or column twice. MP4 and MOV keep
    timestamps exactly, MKV and WebM round to milliseconds, GIF to hundredths of a second counted
    from the first frame. A first timestamp below zero moves all, and the sound, to start at zero.

    Sound is copied where the container takes its codec and encoded anew where not; GIF has none.

    Example:
        >>> with VideoWriter("out.mp4", 64, 64, 25, Fraction(1, 25)) as writer:  # doctest: +SKIP
        ...     writer.write(image, pts=0)
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
    ) -> None:
        """Open the output and write its header.

        Args:
            path: file to write; its suffix chooses the format.
            width: width of the frames.
            height: height of the frames.
            frame_rate: nominal frame rate; timestamps alone decide when a frame is shown.
            time_base: seconds per unit of the timestamps.
            audio_from: file whose sound to take over, if it has any.
            crf: constant rate factor of H.264 or VP9, instead of the format's own; lower is better.

        Raises:
            MediaError: unknown suffix, the file cannot be written, or the sound cannot be used.
            ResourceError: the disk is full.
        """
        self.path = Path(path)
        self.width, self.height = width, height
        self._format = video_format(self.path)
        self._times = GifTimes(time_base) if self._format.muxer == "gif" else Times(time_base)
        self._durations: dict[int, int] = {}
        self._audio: AudioTrack | None = None
        self._crf = {} if crf is None else {"crf": str(crf)}
        try:
            self._container = self._open()
        except (OSError, av.FFmpegError) as error:
            raise write_error(self.path, error) from None
        try:
            self._stream = self._add_video(Fraction(frame_rate))
            self._audio = self._add_audio(audio_from)
            self._container.start_encoding()
        except (OSError, av.FFmpegError) as error:
            self._abandon()
            raise write_error(self.path, error) from None
        except BaseException:
            self._abandon()
            raise

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file; after an error only close it."""
        if error is None:
            self.close()
        else:
            self._abandon()

    def write(
        self,
        image: np.ndarray,  # (H, W, 3) uint8
        pts: int,
        duration: int = 0,
    ) -> None:
        """Append a frame.

        Args:
            image: RGB, of the size given at the start.
            pts: time at which it is shown, in time-base units; larger than the last one.
            duration: how long it is shown; only the last frame's matters, 0 leaves it open.

        Raises:
            MediaError: wrong size, type or timestamp, or the file cannot be written.
            ResourceError: the disk is full.
        """
        check_frame(image, self.path)
        if image.shape[:2] != (self.height, self.width):
            raise MediaError(
                f"{self.path}: expected frames of {self.width} x {self.height}, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        if self._times.last is not None and pts <= self._times.last:
            raise MediaError(f"{self.path}: timestamp {pts} does not follow {self._times.last}")
        frame = self._encodable(image)
        frame.pts, frame.time_base = self._times.place(pts), self._times.time_base
        self._durations[frame.pts] = self._times.convert(duration)
        try:
            self._mux(self._stream.encode(frame))
            if self._audio:
                self._audio.write_until(frame.pts * self._times.time_base, self._times.delay)
        except (OSError, av.FFmpegError) as error:
            raise write_error(self.path, error) from None

    def close(self) -> None:
        """Write what is still held back, the rest of the sound, and the file's end.

        Raises:
            MediaError: no frame was written, or the file cannot be.
            ResourceError: the disk is full.
        """
        if self._times.last is None:
            self._abandon()
            raise MediaError(f"{self.path}: there was no frame to write")
        try:
            self._mux(self._stream.encode(None))
            if self._audio:
                self._audio.write_until(None, self._times.delay)
            self._container.close()
        except (OSError, av.FFmpegError) as error:
            raise write_error(self.path, error) from None
        finally:
            self._abandon()

    def _open(self) -> OutputContainer:
        options = dict(self._format.options)
        if self._format.muxer in ("mp4", "mov"):
            # A late start is stored in these units; the default is 1/1000 s.
            options["movie_timescale"] = str(self._times.time_base.denominator)
        path = str(self.path.absolute())
        return av.open(path, mode="w", format=self._format.muxer, options=options)

    def _add_video(self, frame_rate: Fraction) -> VideoStream:
        form = self._format
        options = {**form.codec_options, **self._crf}
        stream = self._container.add_stream(form.codec, frame_rate, options=options)
        assert isinstance(stream, VideoStream)
        extra = 1 if form.even_sizes else 0
        context = stream.codec_context
        context.width = self.width + (self.width % 2) * extra
        context.height = self.height + (self.height % 2) * extra
        context.pix_fmt = form.pixels
        context.time_base = self._times.time_base
        if form.pixels == "yuv420p":
            tag_colours(context)
        return stream

    def _add_audio(self, source: str | Path | None) -> AudioTrack | None:
        if source is None or self._format.audio is None:
            return None
        with open_input(Path(source)) as container:
            if not container.streams.audio:
                return None
        return AudioTrack(Path(source), self._container, self._format.audio)

    def _encodable(
        self,
        image: np.ndarray,  # (H, W, 3) uint8
    ) -> AvFrame:
        if self._format.pixels == "pal8":
            return as_palette(image)
        context = self._stream.codec_context
        return as_yuv(image, context.width, context.height)

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
