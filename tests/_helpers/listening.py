"""Writing videos with the sound of others, and what can be heard in the result."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
import numpy as np

from cpabmm_core.media.video import VideoReader, VideoWriter
from cpabmm_core.media.video.sound import SoundReport

RATE = 48000


def write_with_sound(source: Path, target: Path, *, delay: int = 0) -> list[SoundReport]:
    """Write the frames and the sound of a video; return the reports about the sound.

    Args:
        source: the video.
        target: file to write.
        delay: added to the timestamps of the frames.
    """
    reports: list[SoundReport] = []
    with (
        VideoReader(source) as reader,
        VideoWriter(
            target,
            reader.width,
            reader.height,
            reader.frame_rate,
            reader.time_base,
            audio_from=source,
            on_sound=reports.append,
        ) as writer,
    ):
        for frame in reader:
            writer.write(frame.image, frame.pts + delay, frame.duration)
    return reports


def sound_codec(path: Path) -> str | None:
    """Return the codec of the sound, None if there is no sound."""
    with av.open(str(path)) as source:
        streams = source.streams.audio
        return streams[0].codec_context.codec.canonical_name if streams else None


@dataclass(frozen=True)
class Heard:
    """Decoded sound."""

    layout: str
    start: float
    """Time of the first sample in seconds."""
    wave: np.ndarray  # (2, N)
    """Stereo, at 48 kHz."""

    @property
    def click(self) -> float:
        """Time of the middle of the loud part, in seconds."""
        level = np.abs(self.wave).max(axis=0)
        loud = np.flatnonzero(level > 0.25 * level.max()).tolist()
        return float(self.start + (loud[0] + loud[-1]) / 2 / RATE)

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.wave.shape[1] / RATE)

    def levels(self, tones: int) -> np.ndarray:  # (2, tones)
        """Return the amplitude of each tone of 300 + 200 k Hz, relative to 0.1, left and right."""
        usable = self.wave[:, : self.wave.shape[1] // 4800 * 4800]  # whole periods of all tones
        spectrum = np.abs(np.fft.rfft(usable, axis=1)) * 2 / usable.shape[1] / 0.1
        bins = [(300 + 200 * k) * usable.shape[1] // RATE for k in range(tones)]
        return cast("np.ndarray", spectrum[:, bins])


def listen(path: Path) -> Heard:
    """Decode the sound of a file whose layout PyAV can handle; gaps become silence."""
    pieces: list[np.ndarray] = []
    start: float | None = None
    layout = ""
    with av.open(str(path)) as source:
        resampler = av.AudioResampler("fltp", "stereo", RATE)
        for frame in source.decode(audio=0):
            _KEPT.append(frame.layout)
            layout = frame.layout.name
            assert frame.time is not None
            start = frame.time if start is None else start
            done = sum(piece.shape[1] for piece in pieces)
            missing = round((frame.time - start) * RATE) - done
            if missing > RATE // 10:
                pieces.append(np.zeros((2, missing), np.float32))
            pieces += [part.to_ndarray() for part in resampler.resample(frame)]
    assert start is not None
    return Heard(layout, start, np.concatenate(pieces, axis=1))


_KEPT: list[object] = []  # PyAV would free the layouts of custom orders twice


def listen_in_child(path: Path, tones: int) -> tuple[str, list[list[float]]]:
    """Return layout and levels of sound that PyAV cannot handle, decoded by another process."""
    code = (
        "import sys; from pathlib import Path; from _helpers import listening; "
        f"listening.main(Path(sys.argv[1]), {tones})"
    )
    command = [sys.executable, "-c", code, str(path)]
    folders = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": folders}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    layout, levels = json.loads(done.stdout)
    return layout, levels


def main(path: Path, tones: int) -> None:
    """Print layout and levels as JSON and end without freeing anything."""
    heard = listen(path)
    sys.stdout.write(json.dumps([heard.layout, heard.levels(tones).tolist()]))
    sys.stdout.flush()
    os._exit(0)
