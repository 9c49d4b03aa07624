"""Every codec into every container: copied where it can be, else encoded, always in sync."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _helpers.listening import listen, sound_codec, write_with_sound
from _helpers.odd_files.sound import FLASH, click, write_video

from cpabmm_core.media.video import VideoReader, VideoWriter

FRAME = 0.04

# Encoder, container of the source, further options, and the outputs that hold its codec.
SOURCES: dict[str, tuple[str, str, dict[str, Any], tuple[str, ...]]] = {
    "aac": ("aac", "mp4", {}, (".mp4", ".mov", ".mkv")),
    "aac-ts": ("aac", "mpegts", {}, (".mp4", ".mov", ".mkv")),
    "aac-8k": ("aac", "mp4", {"rate": 8000}, (".mp4", ".mov", ".mkv")),
    "aac-96k": ("aac", "mp4", {"rate": 96000}, (".mp4", ".mov", ".mkv")),
    "aac-5.1": ("aac", "mp4", {"layout": "5.1"}, (".mp4", ".mov", ".mkv")),
    "mp3": ("libmp3lame", "matroska", {}, (".mp4", ".mov", ".mkv")),
    "mp3-8k": ("libmp3lame", "matroska", {"rate": 8000}, (".mov", ".mkv")),
    "mp2-ts": ("mp2", "mpegts", {}, (".mp4", ".mov", ".mkv")),
    "ac3": ("ac3", "mpegts", {"layout": "5.1"}, (".mp4", ".mov", ".mkv")),
    "eac3": ("eac3", "mpegts", {}, (".mp4", ".mov", ".mkv")),
    "alac": ("alac", "mov", {}, (".mp4", ".mov", ".mkv")),
    "flac": ("flac", "matroska", {"layout": "stereo"}, (".mp4", ".mkv")),
    "flac-192k": ("flac", "matroska", {"rate": 192000}, (".mp4", ".mkv")),
    "opus": ("libopus", "webm", {}, (".mp4", ".mkv", ".webm")),
    "opus-mp4": ("libopus", "mp4", {}, (".mp4", ".mkv", ".webm")),
    "opus-ts": ("libopus", "mpegts", {}, (".mp4", ".mkv", ".webm")),
    "vorbis": ("vorbis", "webm", {"layout": "stereo"}, (".mkv", ".webm")),
    "pcm": ("pcm_s16le", "mov", {}, (".mov", ".mkv")),
    "pcm-avi": ("pcm_s16le", "avi", {}, (".mov", ".mkv")),
    "pcm-24": ("pcm_s24be", "mov", {"layout": "stereo"}, (".mov", ".mkv")),
    "pcm-float": ("pcm_f32le", "mov", {"rate": 44100}, (".mov", ".mkv")),
    "pcm-7.1": ("pcm_s16le", "matroska", {"layout": "7.1"}, (".mov", ".mkv")),
    "pcm-u8": ("pcm_u8", "avi", {}, (".mov", ".mkv")),
    "a-law": ("pcm_alaw", "avi", {"rate": 8000}, (".mov",)),
    "mu-law": ("pcm_mulaw", "mov", {"rate": 8000}, (".mov",)),
    "adpcm-ima": ("adpcm_ima_wav", "avi", {}, ()),
    "adpcm-ms": ("adpcm_ms", "avi", {}, ()),
    "adpcm-qt": ("adpcm_ima_qt", "mov", {}, (".mov",)),
    "wma": ("wmav2", "asf", {"layout": "stereo"}, ()),
    "amr": ("libopencore_amrnb", "mov", {"rate": 8000}, (".mov",)),
    "wavpack": ("wavpack", "matroska", {}, (".mkv",)),
    "nellymoser": ("nellymoser", "flv", {"rate": 8000}, ()),
}
OUTPUTS = (".mp4", ".mov", ".mkv", ".webm")
COPIED = [(name, suffix) for name, source in SOURCES.items() for suffix in source[3]]
# One encoding each, into all containers in turn, and all four for one source.
ENCODED = [
    (name, others[number % len(others)])
    for number, (name, source) in enumerate(SOURCES.items())
    if (others := [suffix for suffix in OUTPUTS if suffix not in source[3]])
]
ALL_FOUR = [("adpcm-ima", suffix) for suffix in OUTPUTS]


def make(path: Path, name: str) -> Path:
    encoder, container, options, _ = SOURCES[name]
    rate = int(options.get("rate", 48000))
    extra = {"strict": "-2", **({"b": "64k"} if encoder.startswith("wma") else {})}
    picture = {"flv": "flv", "webm": "libvpx"}.get(container, "mpeg4")
    write_video(
        path,
        encoder,
        wave=click(rate, 0.8),
        container=container,
        codec=picture,
        audio_options=extra,
        **options,
    )
    return path


def write_silently(source: Path, target: Path) -> None:
    with (
        VideoReader(source) as reader,
        VideoWriter(target, 64, 48, reader.frame_rate, reader.time_base) as writer,
    ):
        for frame in reader:
            writer.write(frame.image, frame.pts, frame.duration)


def assert_same_pictures(one: Path, other: Path) -> None:
    with VideoReader(one) as first, VideoReader(other) as second:
        for a, b in zip(first, second, strict=True):
            assert (a.pts, a.duration) == (b.pts, b.duration)
            # x264 itself is not deterministic to the last bit.
            assert np.abs(a.image.astype(int) - b.image).mean() < 1


@pytest.mark.parametrize(("name", "suffix"), dict.fromkeys(COPIED + ENCODED + ALL_FOUR))
def test_sound_of_every_codec_is_kept_in_sync_in_every_container(
    tmp_path: Path, name: str, suffix: str
) -> None:
    copied = suffix in SOURCES[name][3]
    source = make(tmp_path / "source", name)
    target, silent = tmp_path / f"out{suffix}", tmp_path / f"silent{suffix}"
    [report] = write_with_sound(source, target)
    assert (report.outcome, report.problem) == ("copied" if copied else "encoded", None)
    if copied:
        # MP4 has one number for all layers of MPEG audio.
        kept = {"mp2": "mp3"} if suffix == ".mp4" else {}
        codec = sound_codec(source)
        assert sound_codec(target) == kept.get(str(codec), codec)
    else:
        assert sound_codec(target) == ("opus" if suffix == ".webm" else "aac")
    with VideoReader(target) as reader:
        bright = [float(f.pts * reader.time_base) for f in reader if f.image.mean() > 150]
    [flash] = bright
    assert flash == pytest.approx(FLASH, abs=0.05)
    heard = listen(target)
    assert heard.click == pytest.approx(flash, abs=FRAME)
    assert heard.seconds == pytest.approx(0.8, abs=0.15)
    write_silently(source, silent)
    assert_same_pictures(target, silent)
