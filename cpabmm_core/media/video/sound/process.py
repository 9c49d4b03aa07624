"""Encoding of sound by a child process, so that a crash or a hang loses nothing but the sound."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import IO

from cpabmm_core.media.video.sound.report import SoundProblem

_PATIENCE = 120.0
"""Seconds without any progress after which the child counts as stuck."""
_INTERVAL = 1.0
_LONGEST_REPORT = 65536
# Neither `multiprocessing`, which runs the main script again and is forbidden in daemons, nor the
# environment: the child gets the import path of this process and nothing of the current folder.
_START = (
    "import json, sys; job = json.loads(sys.stdin.readline()); sys.path[:] = job.pop('import'); "
    "from cpabmm_core.media.video.sound.child import main; main(**job)"
)


@dataclass(frozen=True, slots=True)
class EncodedSound:
    """Sound that a child process has encoded."""

    file: IO[bytes]
    """The sound in a container; it vanishes when it is closed, or with this process."""
    start: Fraction
    """Time of the first sample of the file in seconds."""
    problem: str | None
    """What was lost, or None."""


@contextmanager
def encoded_sound(path: Path, stream: int, encoder: str) -> Iterator[EncodedSound]:
    """Encode a track of a file, in mono or stereo.

    Args:
        path: the file with the sound.
        stream: index of the stream.
        encoder: FFmpeg's name of the encoder.

    Raises:
        SoundProblem: the sound cannot be decoded, the child crashed or got stuck, or there is no
            interpreter to run it.
    """
    job = {"import": sys.path, "path": str(path.absolute()), "stream": stream, "encoder": encoder}
    with TemporaryFile() as sound, TemporaryFile() as report:
        status = _run(json.dumps(job), sound, report)
        report.seek(max(0, report.tell() - _LONGEST_REPORT))
        start, problem = _read_report(report.read(), status)
        if start is None:
            raise SoundProblem(problem or "it cannot be decoded")
        sound.seek(0)
        yield EncodedSound(sound, Fraction(start), problem)


def _run(job: str, sound: IO[bytes], report: IO[bytes]) -> int:
    """Run the child to its end and return its exit status."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise SoundProblem("no Python interpreter is available to decode it")
    try:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=sound,
            stderr=report,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise SoundProblem(f"its decoder cannot be started: {error.strerror}") from None
    with child:
        try:
            assert child.stdin is not None
            with suppress(BrokenPipeError):
                child.stdin.write(job.encode() + b"\n")
                child.stdin.flush()
            return _wait(child, sound, report)
        finally:
            child.kill()


def _wait(child: subprocess.Popen[bytes], *files: IO[bytes]) -> int:
    """Wait while the files grow."""
    size, since = -1, monotonic()
    while monotonic() - since < _PATIENCE:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(_INTERVAL)
        now = sum(_size(file) for file in files)
        if now != size:
            size, since = now, monotonic()
    raise SoundProblem("its decoder is stuck")


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _read_report(text: bytes, status: int) -> tuple[str | None, str | None]:
    """Return the start of the sound and the problem from the last line that the child wrote."""
    try:
        report = json.loads(text.splitlines()[-1]) if status == 0 else {}
    except (ValueError, IndexError):
        report = {}
    return report.get("start"), report.get("problem") or ("its decoder crashed" if status else None)
