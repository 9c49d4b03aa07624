"""Small videos in every container and codec that matters, and texts that point to other files."""

import gzip
import itertools
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from _helpers.media_files import rotate_by_metadata, write_test_video, write_video_with_empty_end
from fuzz.surroundings import BAIT_PORT
from PIL import Image

_SIZE = (32, 32)
_FRAMES = 6
_ENCODED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("h264-aac.mp4", {"audio": True}),
    ("h264-late-sound.mp4", {"audio": True, "audio_start": 0.1}),
    ("h264-b-frames.mp4", {"options": {"bf": "2", "g": "3"}}),
    ("h264-variable.mkv", {"pts": [0, 1, 5, 6, 20], "audio": "pcm_s16le"}),
    ("h264-444.mp4", {"pixels": "yuv444p", "audio": "libmp3lame"}),
    ("h264-fragments.mp4", {"container_format": "ismv"}),
    ("h264.ts.mpg", {"container_format": "mpegts", "audio": True}),
    ("h264.flv.avi", {"container_format": "flv", "audio": True}),
    ("hevc-10-bit.mkv", {"codec": "libx265", "pixels": "yuv420p10le", "audio": "libopus"}),
    ("hevc.mov", {"codec": "libx265", "options": {"tag": "hvc1"}}),
    ("vp8-vorbis.webm", {"codec": "libvpx", "audio": "libvorbis"}),
    ("vp9-opus.webm", {"codec": "libvpx-vp9", "audio": "libopus"}),
    ("vp8-alpha.webm", {"codec": "libvpx", "pixels": "yuva420p", "options": {"auto-alt-ref": "0"}}),
    ("vp9-alpha.webm", {"codec": "libvpx-vp9", "pixels": "yuva420p"}),
    ("av1.mp4", {"codec": "libsvtav1"}),
    ("mjpeg-mp3.avi", {"codec": "mjpeg", "pixels": "yuvj420p", "audio": "libmp3lame"}),
    ("mpeg4-b-frames.avi", {"codec": "mpeg4", "options": {"bf": "2"}, "audio": "pcm_s16le"}),
    ("ffv1-flac.mkv", {"codec": "ffv1", "audio": "flac"}),
    ("prores.mov", {"codec": "prores_ks", "pixels": "yuv422p10le", "audio": "pcm_s24le"}),
    ("prores-alpha.mov", {"codec": "prores_ks", "pixels": "yuva444p10le"}),
    ("png.mov", {"codec": "png", "pixels": "rgba"}),
    ("qtrle.mov", {"codec": "qtrle", "pixels": "argb"}),
    ("wmv2.avi", {"codec": "wmv2", "audio": "wmav2", "container_format": "asf"}),
    ("mpeg2.mpg", {"codec": "mpeg2video", "audio": "mp2", "container_format": "mpeg"}),
    ("theora.avi", {"codec": "libtheora", "container_format": "ogg", "audio": "libvorbis"}),
    ("raw.y4m.avi", {"codec": "wrapped_avframe", "container_format": "yuv4mpegpipe"}),
    ("raw.avi", {"codec": "rawvideo", "pixels": "bgr24"}),
    ("animated.apng.gif", {"codec": "apng", "pixels": "rgba", "container_format": "apng"}),
    ("gif.gif", {"codec": "gif", "pixels": "rgb8"}),
)


def write_video_seeds(folder: Path) -> None:
    """Write the seeds; those whose encoder this FFmpeg lacks are left out."""
    for name, options in _ENCODED:
        path = folder / name
        try:
            write_test_video(path, frames=_FRAMES, size=_SIZE, **options)
        except (av.FFmpegError, ValueError):
            path.unlink(missing_ok=True)
    rotated = write_test_video(folder / "rotated.mp4", frames=3, size=_SIZE)
    rotate_by_metadata(rotated, (0, 1, -1, 0))
    write_video_with_empty_end(folder / "empty-end.mp4")
    for name, codec, layout in (("six.mkv", "flac", "5.1"), ("mono.mp4", "alac", "mono")):
        with suppress(av.FFmpegError, ValueError):
            _write_sound(folder / name, codec, layout)
    _write_without_times(folder / "no-times.avi")
    frames = [Image.new("RGB", _SIZE, colour) for colour in ("red", "lime", "blue")]
    frames[0].save(folder / "pillow.gif", save_all=True, append_images=frames[1:], disposal=2)
    frames[0].save(folder / "pillow.webp.gif", "WEBP", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "still.mp4", "PNG")
    for number, (suffix, text) in enumerate(_baits()):
        (folder / f"bait-{number}{suffix}").write_bytes(text)


def _write_sound(path: Path, codec: str, layout: str) -> None:
    """Write a film with sound of several channels."""
    write_test_video(path, frames=2, size=_SIZE)
    with av.open(str(path)) as source:
        frames = list(source.decode(video=0))
    with av.open(str(path), "w") as output:
        video: Any = output.add_stream("libx264", 25)
        video.width, video.height = _SIZE
        sound: Any = output.add_stream(codec, rate=48000)
        sound.layout = layout
        output.start_encoding()
        for frame in frames:
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        samples = np.zeros((1, 4096 * sound.codec_context.channels), dtype=np.int16)
        tone = av.AudioFrame.from_ndarray(samples, "s16", layout)
        tone.sample_rate, tone.time_base, tone.pts = 48000, Fraction(1, 48000), 0
        resampler = av.AudioResampler(sound.codec_context.format, layout, 48000, 4096)
        for piece in itertools.chain(resampler.resample(tone), resampler.resample(None)):
            output.mux(sound.encode(piece))
        output.mux(sound.encode(None))


def _write_without_times(path: Path) -> None:
    """Write a raw MPEG-4 stream, which has no timestamps."""
    write_test_video(path, frames=_FRAMES, size=_SIZE, codec="mpeg4", container_format="m4v")


def _baits() -> Iterator[tuple[str, bytes]]:
    """Yield suffixes and texts that make FFmpeg open other files or sockets if it is allowed to."""
    for target in (f"http://127.0.0.1:{BAIT_PORT}/a.ts", "file:bait.mp4", "bait.mp4"):
        playlist = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n"
        yield ".m3u8", f"{playlist}#EXT-X-ENDLIST\n".encode()
        yield ".mp4", f"ffconcat version 1.0\nfile '{target}'\n".encode()
        schema = "urn:mpeg:dash:schema:mpd:2011"
        yield ".mpd", f'<MPD xmlns="{schema}"><BaseURL>{target}</BaseURL></MPD>'.encode()
    session = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    yield ".sdp", f"{session}m=video {BAIT_PORT} RTP/AVP 96\n".encode()
    yield ".mp4", b"A text of some lines.\n" * 30
    yield ".mp4", gzip.compress(b"not a video either", mtime=0)
