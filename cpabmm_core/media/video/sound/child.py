"""The process that encodes sound. It is one of its own, because a decoder may crash or hang."""

import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from av.audio.stream import AudioStream

from cpabmm_core.files.checks import one_line
from cpabmm_core.media.video.opening import open_input
from cpabmm_core.media.video.sound.encoding import encode_sound
from cpabmm_core.media.video.sound.report import SoundProblem
from cpabmm_core.media.video.sound.streams import read_sound


def main(path: str, stream: int, encoder: str) -> None:
    """Encode a track of a file into the file that is standard output.

    The last line of standard error is a JSON object: ``start``, the time of the first sample in
    seconds as a fraction, and ``problem``, what was lost. Both may be null.

    Args:
        path: the file with the sound.
        stream: index of the stream.
        encoder: FFmpeg's name of the encoder.
    """
    _end_with_parent()
    report: dict[str, str | None] = {"start": None, "problem": None}
    try:
        with _take_over_stdout() as file:
            start, report["problem"] = _encode(Path(path), stream, encoder, file)
        report["start"] = str(start)
    except Exception as error:
        report["problem"] = one_line(error)
    sys.stderr.write(f"\n{json.dumps(report)}\n")


def _encode(path: Path, index: int, encoder: str, file: BinaryIO) -> tuple[object, str | None]:
    with ExitStack() as stack:
        container = stack.enter_context(open_input(path))
        stream = container.streams[index]
        sound = read_sound(container, stream) if isinstance(stream, AudioStream) else None
        if sound is None:
            raise SoundProblem("there is none")
        return encode_sound(sound, file, encoder)


def _take_over_stdout() -> BinaryIO:
    """Return standard output as an empty file; what else is printed goes to standard error."""
    file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    file.seek(0)
    file.truncate()
    return file


def _end_with_parent() -> None:
    """End this process when standard input closes; never leave a core file."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def watch() -> None:
        sys.stdin.read()
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
