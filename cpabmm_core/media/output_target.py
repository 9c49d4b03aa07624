"""The output of an animation: checked before any work is done, then opened as a writer of frames.

A file or a folder appears complete or not at all. Standard output is written as it goes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from cpabmm_core.errors import MediaError
from cpabmm_core.files.output import atomic_path
from cpabmm_core.media.frame_folder import create_frame_folder
from cpabmm_core.media.output_place import FOLDER, STANDARD_OUTPUT, check_place, format_name
from cpabmm_core.media.standard_output import NAME, StandardOutput, check_standard_output
from cpabmm_core.media.video.formats import CONTAINERS, VideoFormat, choose_format
from cpabmm_core.media.video.frame_writer import FrameWriter
from cpabmm_core.media.video.resampled_writer import ConstantRateWriter
from cpabmm_core.media.video.sound import SoundCallback
from cpabmm_core.media.video.webp import WebpWriter
from cpabmm_core.media.video.writer import VideoWriter

OUTPUT_FORMATS = tuple(CONTAINERS)
"""Names of the formats; ``png`` is a folder of frames."""


@dataclass(frozen=True, slots=True)
class OutputTarget:
    """An output that passed its checks; `output_target` makes it.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from PIL import Image
        >>> from cpabmm_core.media import output_target
        >>> half_transparent = np.full((8, 8, 4), 128, dtype=np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     target = output_target(f"{folder}/a.webp", alpha=True)
        ...     with target.open(8, 8, Fraction(25), Fraction(1, 25)) as writer:
        ...         writer.write(half_transparent, pts=0, duration=1)
        ...     Image.open(target.name).convert("RGBA").getpixel((4, 4))
        (128, 128, 128, 128)
    """

    name: str
    """The name as it was given."""
    format: VideoFormat
    """Container, codec and options."""
    force: bool = False
    """Whether what is there may be replaced."""
    inputs: tuple[Path, ...] = ()
    """What the same task reads, which is never replaced."""

    @property
    def is_stdout(self) -> bool:
        """Whether it is standard output, on which then nothing else may appear."""
        return self.name == STANDARD_OUTPUT

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of PNG frames, which have no timestamps."""
        return self.format.name == FOLDER

    @property
    def keeps_alpha(self) -> bool:
        """Whether RGBA frames keep their transparency; otherwise frames must be RGB."""
        return self.format.keeps_alpha

    @property
    def holds_sound(self) -> bool:
        """Whether the format can hold sound."""
        return self.format.audio is not None

    @contextmanager
    def open(
        self,
        width: int,
        height: int,
        frame_rate: Fraction,
        time_base: Fraction,
        *,
        audio_from: Path | None = None,
        on_sound: SoundCallback = lambda _: None,
        constant: bool = False,
    ) -> Iterator[FrameWriter]:
        """Open the output for frames of one size.

        At the end of the context a file or a folder gets its name. An error removes it.

        Args:
            width: width of the frames in pixels.
            height: height of the frames in pixels.
            frame_rate: nominal frames per second.
            time_base: seconds per unit of the timestamps.
            audio_from: file whose sound to use, if it has any and the format holds sound.
            on_sound: called when it is known what becomes of the sound, and again if that changes.
            constant: whether to write exactly `frame_rate` frames per second, by repeating and
                leaving out frames as `constant_rate` does. A ``y4m`` always does, as it has no
                timestamps.

        Yields:
            The writer: ``write(image, pts, duration)`` takes (H, W, 3) uint8 RGB, or (H, W, 4) RGBA
            if `keeps_alpha`.

        Raises:
            MediaError: the size is not possible, no frame was written, or the output cannot be
                written.
            OutputClosedError: whoever read standard output has gone away.
            ResourceError: the disk is full.
        """
        resample = constant or self.format.constant_rate
        base = 1 / frame_rate if resample else time_base
        with self._writer(width, height, frame_rate, base, audio_from, on_sound) as writer:
            if not resample:
                yield writer
                return
            steady = ConstantRateWriter(writer, time_base, frame_rate)
            yield steady
            steady.finish()

    @contextmanager
    def _writer(
        self,
        width: int,
        height: int,
        frame_rate: Fraction,
        time_base: Fraction,
        audio_from: Path | None,
        on_sound: SoundCallback,
    ) -> Iterator[FrameWriter]:
        form, path = self.format, Path(self.name)
        if self.is_folder:
            with create_frame_folder(
                path, size=(width, height), force=self.force, inputs=self.inputs
            ) as folder:
                yield folder
                if not folder.count:
                    raise MediaError(f"{self.name}: no frame was written")
            return
        with self._file() as (path, stream):
            if form.name == "webp":
                writer: WebpWriter | VideoWriter = WebpWriter(path, width, height, time_base, form)
            else:
                writer = VideoWriter(
                    path,
                    width,
                    height,
                    frame_rate,
                    time_base,
                    audio_from=audio_from,
                    on_sound=on_sound,
                    format=form,
                    stream=stream,
                )
            with writer:
                yield writer

    @contextmanager
    def _file(self) -> Iterator[tuple[Path, StandardOutput | None]]:
        """Provide the path to write to, or the stream and what messages call it."""
        if self.is_stdout:
            with StandardOutput() as stream:
                yield Path(NAME), stream
            return
        with atomic_path(self.name, force=self.force, inputs=self.inputs) as temporary:
            yield temporary, None


def output_target(
    name: str,
    *,
    format: str | None = None,
    codec: str | None = None,
    quality: int | None = None,
    alpha: bool = False,
    force: bool = False,
    inputs: Sequence[str | Path] = (),
) -> OutputTarget:
    """Check an output before any work is done.

    Args:
        name: a file, whose suffix sets the format; a folder of PNG frames, which ends in a slash;
            or ``-`` for standard output.
        format: name of the format, one of `OUTPUT_FORMATS`, where the name does not tell it. The
            default of standard output is ``mp4``, in fragments that can be played at once. ``png``
            makes any name a folder.
        codec: name of the codec; None for the default of the format.
        quality: from 1, the smallest, to 100, the best; None for the default of the codec.
        alpha: whether frames have transparency. It is kept where the format can, if need be by
            another default codec: ``prores`` in MOV, ``ffv1`` in MKV.
        force: whether an existing file may be replaced, and an existing folder written into.
        inputs: what the same task reads, as names; those that are no files do not matter.

    Raises:
        ConfigError: format, codec and quality are unknown or do not go together.
        OutputExistsError: the file exists, or the folder is not empty, and `force` is False.
        MediaError: the suffix is missing or unknown, the folder is missing or read-only, the output
            is also an input, or standard output is a terminal.
        ResourceError: hardly any space is left on the disk.

    Example:
        >>> target = output_target("walk.webm", alpha=True)
        >>> target.format.codec, target.keeps_alpha, target.holds_sound
        ('libvpx-vp9', True, True)
        >>> output_target("walk.mp4", codec="ffv1")
        Traceback (most recent call last):
        ...
        cpabmm_core.errors.ConfigError: codec ffv1: mp4 cannot hold it; in mp4 use one of ...
    """
    kind = format_name(name, format)
    live = name == STANDARD_OUTPUT
    chosen = choose_format(kind, codec=codec, quality=quality, alpha=alpha, live=live)
    files = tuple(path for path in map(Path, inputs) if str(path) != STANDARD_OUTPUT)
    if live:
        check_standard_output()
    else:
        check_place(Path(name), files, force=force, is_folder=kind == FOLDER)
    return OutputTarget(name, chosen, force, files)
