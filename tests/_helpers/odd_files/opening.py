"""Files that look like videos but name others, hold no video, or make libraries fail."""

import io
import struct
import wave
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from _helpers.media_files import numbered_frame, write_test_video
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image

NOWHERE = "http://127.0.0.1:9/x.ts"
"""An address at which nothing answers."""
GIGABYTE = 2**30


def make_hls_playlist(path: Path, target: str = NOWHERE) -> None:
    """Write an HLS playlist of one part at any address or path."""
    path.write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"
        f"#EXTINF:0.4,\n{target}\n#EXT-X-ENDLIST\n"
    )


def make_concat_script(path: Path, target: str = "part.ts") -> None:
    """Write a script for FFmpeg that names another file."""
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n")


def make_dash_manifest(path: Path, target: str = NOWHERE) -> None:
    """Write a DASH manifest of one representation."""
    path.write_text(
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )


def make_sdp(path: Path, port: int = 45454) -> None:
    """Write a session description, which FFmpeg answers by listening on a port."""
    path.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


def make_reference_movie(path: Path, target: str = "part.mov") -> None:
    """Write a MOV whose samples lie in another file, found through an alias record."""
    write_test_video(path, frames=3, container_format="mov")
    name = f"/{target}".encode()
    name += b"\0" * (len(name) % 2)
    record = struct.pack(">10xB27s12xB63s16xhh16x", 0, b"", 0, b"", 1, 1)
    record += struct.pack(">HH", 2, len(name)) + name + struct.pack(">hH", -1, 0)
    entry = b"alis" + struct.pack(">I", 0) + record  # codespell:ignore alis
    references = struct.pack(">II", 0, 1) + struct.pack(">I", len(entry) + 4) + entry
    box = struct.pack(">I4s", len(references) + 8, b"dref") + references
    path.write_bytes(_replace_box(path.read_bytes(), box))


def make_text(path: Path) -> None:
    """Write lines of plain text."""
    path.write_text("".join(f"line {k}: a note, a log, a list of pairs\n" for k in range(400)))


def make_utf_16_text(path: Path) -> None:
    """Write text as some editors of Windows store it."""
    path.write_bytes("name;value\r\nGr\u00f6\u00dfe;3\r\n".encode("utf-16"))


def make_latin_1_text(path: Path) -> None:
    """Write text that is not UTF-8."""
    path.write_bytes("Gr\u00f6\u00dfe;3\r\n".encode("latin-1") * 60)


def make_coloured_text(path: Path) -> None:
    """Write text with escape sequences, as a log of a terminal holds them."""
    path.write_text("\x1b[31mred\x1b[0m and plain\n" * 60)


def make_csv(path: Path) -> None:
    """Write a table."""
    path.write_text("source,driving\na.png,b.mp4\n" * 40)


def make_shell_script(path: Path) -> None:
    """Write a program of the shell."""
    path.write_text("#!/bin/sh\necho hello\n" * 40)


def make_subtitles(path: Path) -> None:
    """Write SubRip subtitles, for which FFmpeg has a reader."""
    path.write_text("".join(f"{k}\n00:00:0{k},000 --> 00:00:0{k},900\nhi\n\n" for k in range(9)))


def make_svg(path: Path) -> None:
    """Write a drawing."""
    path.write_text(
        '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>\n'
    )


def make_web_page(path: Path) -> None:
    """Write what a download gives in place of a video."""
    path.write_text("\n<!DOCTYPE html>\n<html><body>Not found</body></html>\n")


def make_pdf(path: Path) -> None:
    """Write the first bytes of a PDF document."""
    path.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n" + bytes(600))


def make_zip(path: Path) -> None:
    """Write an archive with one video in it."""
    inner = write_test_video(path.with_name("inner.mp4"), frames=1)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "inner.mp4")
    inner.unlink()


def make_wav(path: Path) -> None:
    """Write a tenth of a second of silence."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))


def make_mp3(path: Path) -> None:
    """Write silence as MP3."""
    _write_silence(path, "mp3", "mp3", "s16p")


def make_flac(path: Path) -> None:
    """Write silence as FLAC."""
    _write_silence(path, "flac", "flac", "s16")


def make_zeros(path: Path) -> None:
    """Write a gigabyte of zeros, which takes no space on the disk."""
    with path.open("wb") as file:
        file.truncate(GIGABYTE)


def make_noise(path: Path) -> None:
    """Write 64 megabytes of random bytes."""
    path.write_bytes(np.random.default_rng(0).bytes(2**26))


def make_nested_clusters(path: Path) -> None:
    """Write a Matroska file with 20,000 clusters inside each other."""
    header = bytes.fromhex("1a45dfa38b4282886d6174726f736b61")
    body = b"".join(b"\x1f\x43\xb6\x75" + _length(12 * k) for k in range(20_000, -1, -1))
    path.write_bytes(header + b"\x18\x53\x80\x67" + _length(len(body)) + body)


def make_camera_avi(path: Path, orientation: int = 1) -> None:
    """Write an AVI of JPEG frames with EXIF, for which PyAV before version 19 has no name."""
    with av.open(str(path), "w", format="avi") as output:
        stream = output.add_stream("mjpeg", 25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        output.start_encoding()
        for number in range(6):
            packet = av.Packet(exif_jpeg(number, orientation))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            output.mux(packet)


def make_photo(path: Path) -> None:
    """Write a JPEG with EXIF that is turned by 90 degrees."""
    path.write_bytes(exif_jpeg(5, 6))


def make_unreadable_metadata(path: Path) -> None:
    """Write an MKV whose title, language and stream title are not UTF-8."""
    with av.open(str(path), "w", format="matroska") as output:
        output.metadata["title"] = "TITLE-OF-FILE"
        stream = output.add_stream("libx264", 25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["title"], stream.metadata["language"] = "TITLE-OF-STREAM", "ger"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number))
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = path.read_bytes()
    for text in (b"TITLE-OF-FILE", b"TITLE-OF-STREAM", b"ger"):
        assert text in data
        data = data.replace(text, b"\xff\xfe\xc3\x28\x80"[: len(text)].ljust(len(text), b"\xe9"))
    path.write_bytes(data)


def make_video_named_as_text(path: Path) -> None:
    """Write a proper video, whatever the name."""
    write_test_video(path, frames=3, container_format="mp4")


def exif_jpeg(number: int, orientation: int) -> bytes:
    """Return a numbered frame as JPEG with EXIF that states a camera and an orientation."""
    exif = Image.Exif()
    exif[0x10F], exif[0x112] = "Camera", orientation
    buffer = io.BytesIO()
    Image.fromarray(numbered_frame(number)).save(buffer, "JPEG", quality=95, exif=exif.tobytes())
    return buffer.getvalue()


def _write_silence(path: Path, container: str, codec: str, samples: str) -> None:
    with av.open(str(path), "w", format=container) as output:
        sound = output.add_stream(codec, rate=44100)
        assert isinstance(sound, AudioStream)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((2, 1152) if samples.endswith("p") else (1, 2304), np.int16), samples, "stereo"
        )
        silence.sample_rate = 44100
        output.mux([*sound.encode(silence), *sound.encode(None)])


def _length(value: int) -> bytes:
    """Return an EBML length of eight bytes."""
    return (1 << 56 | value).to_bytes(8, "big")


def _replace_box(data: bytes, new: bytes) -> bytes:
    """Return MOV boxes in which one box is replaced by another of the same kind."""
    parts = []
    while data:
        size, kind = struct.unpack(">I4s", data[:8])
        body = data[8:size]
        if kind == new[4:8]:
            parts.append(new)
        else:
            if kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
                body = _replace_box(body, new)
            parts.append(struct.pack(">I4s", len(body) + 8, kind) + body)
        data = data[size:]
    return b"".join(parts)


NO_VIDEOS: dict[str, tuple[Callable[[Path], None], str]] = {
    "playlist.mov": (make_hls_playlist, "is a playlist"),
    "script.mp4": (make_concat_script, "is a playlist"),
    "manifest.mkv": (make_dash_manifest, "is a playlist"),
    "session.avi": (make_sdp, "describes a stream"),
    "notes.mp4": (make_text, "is a text file"),
    "editor.mp4": (make_utf_16_text, "is a text file"),
    "old.webm": (make_latin_1_text, "is a text file"),
    "log.webm": (make_coloured_text, "is a text file"),
    "pairs.mp4": (make_csv, "is a text file"),
    "run.mp4": (make_shell_script, "is a text file"),
    "titles.srt": (make_subtitles, "is a text file"),
    "drawing.mp4": (make_svg, "is a picture in the format SVG"),
    "page.mp4": (make_web_page, "is a web page"),
    "paper.mp4": (make_pdf, "is a picture in the format PDF"),
    "packed.mp4": (make_zip, "is an archive"),
    "speech.mp4": (make_wav, "contains no video, only sound"),
    "song.mp4": (make_mp3, "contains no video, only sound"),
    "music.mp4": (make_flac, "contains no video, only sound"),
    "reference.mov": (make_reference_movie, "contains no frame"),
    "zeros.mp4": (make_zeros, "is not a readable video"),
    "noise.mp4": (make_noise, "is not a readable video"),
    "nested.mkv": (make_nested_clusters, ""),
}
"""Makers of files that are refused, with the trouble that the error states."""
