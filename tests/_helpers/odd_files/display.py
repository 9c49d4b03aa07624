"""Videos whose frames are not simply the stored ones at the stored times, and animated pictures.

Every frame is one of `numbered_frame`, unless its maker says otherwise.
"""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from _helpers.media_files import numbered_frame, rotate_by_metadata, write_test_video
from av.video.stream import VideoStream
from PIL import Image

HOUR = 3600
EMPTY = b""

Chunk = tuple[bool, bytes]
"""Whether a packet is a keyframe, and its content."""


# --- Pixel shape ---------------------------------------------------------------------------------


def write_shaped(
    path: Path,
    size: tuple[int, int],
    ratio: Fraction,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    frames: int = 6,
) -> None:
    """Write numbered frames with a sample aspect ratio."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, 25, options={"g": "3"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.sample_aspect_ratio = ratio
        for number in range(frames):
            image = numbered_frame(number, *size)
            frame = av.VideoFrame.from_ndarray(image).reformat(format=pixels)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def make_wide_pixels(path: Path) -> None:
    """64 x 128 pixels, twice as wide as high: 128 x 128."""
    write_shaped(path, (64, 128), Fraction(2))


def make_tall_pixels(path: Path) -> None:
    """128 x 64 pixels, twice as high as wide: 128 x 128."""
    write_shaped(path, (128, 64), Fraction(1, 2))


def make_dvd(path: Path) -> None:
    """MPEG-2 of 90 x 60 pixels for a 4:3 screen: 90 x 68."""
    write_shaped(path, (90, 60), Fraction(8, 9), "mpeg2video")


def make_dv(path: Path) -> None:
    """DV of 720 x 480 pixels for a 4:3 screen: 720 x 540."""
    write_test_video(
        path, frames=2, size=(720, 480), rate=Fraction(30000, 1001), codec="dvvideo",
        pixels="yuv411p",
    )  # fmt: skip


def make_display_width(path: Path) -> None:
    """WebM of 64 x 48 pixels with a display width of 127: 127 x 48."""
    write_test_video(path, frames=6, codec="libvpx-vp9", options={"g": "3"})
    data = path.read_bytes()
    language, size = b"\x22\xb5\x9c\x83und", b"\xe0\x86\xb0\x81\x40\xba\x81\x30"
    assert data.count(language) == data.count(size) == 1
    data = data.replace(language, b"\xec\x81\0")  # an element to skip, four bytes shorter
    data = data.replace(size, b"\xe0\x8a" + size[2:] + b"\x54\xb0\x81\x7f")
    path.write_bytes(data)


def make_turned_wide_pixels(path: Path) -> None:
    """64 x 96 pixels, twice as wide as high, then turned by a right angle: 96 x 128."""
    write_shaped(path, (64, 96), Fraction(2))
    rotate_by_metadata(path, (0, 1, -1, 0))


def write_pixel_shape(path: Path, across: int, down: int) -> None:
    """Write a MOV of 64 x 48 pixels whose header states this ratio."""
    write_shaped(path, (64, 48), Fraction(2), "qtrle", "rgb24")
    data = bytearray(path.read_bytes())
    struct.pack_into(">II", data, data.index(b"pasp") + 4, across, down)
    path.write_bytes(bytes(data))


def make_absurd_pixels(path: Path) -> None:
    """A ratio of 1:1000, which counts as none: 64 x 48."""
    write_pixel_shape(path, 1, 1000)


def make_changing_pixels(path: Path) -> None:
    """64 x 48 square pixels, then 32 x 48 twice as wide as high: 64 x 48 throughout."""
    parts = []
    for size, ratio in (((64, 48), Fraction(1)), ((32, 48), Fraction(2))):
        part = path.with_name("part.h264")
        write_shaped(part, size, ratio)
        parts.append(part.read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))


# --- Transparency --------------------------------------------------------------------------------


def write_transparent(
    path: Path, codec: str, pixels: str = "yuva420p", size: tuple[int, int] = (64, 64)
) -> None:
    """Write 12 frames: the upper half is transparent red, the lower half grey of level 20 k."""
    options = {"auto-alt-ref": "0"} if codec == "libvpx" else {}
    image = np.zeros((size[1], size[0], 4), np.uint8)
    image[: size[1] // 2, :, 0] = 255
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, 10, options={"g": "4", **options})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for number in range(12):
            image[size[1] // 2 :] = (20 * number, 20 * number, 20 * number, 255)
            frame = av.VideoFrame.from_ndarray(image, format="rgba")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def make_transparent_vp9(path: Path) -> None:
    """Transparent VP9."""
    write_transparent(path, "libvpx-vp9")


def make_transparent_vp8(path: Path) -> None:
    """Transparent VP8 of odd size."""
    write_transparent(path, "libvpx", size=(33, 35))


def make_opaque_with_alpha_mode(path: Path) -> None:
    """VP9 whose header announces transparency, without any."""
    plain = write_test_video(path.with_name("plain.webm"), codec="libvpx-vp9", options={"g": "4"})
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        stream.metadata["alpha_mode"] = "1"
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    plain.unlink()


# --- Empty frames --------------------------------------------------------------------------------


def encoded(path: Path, codec: str, frames: int, options: dict[str, str]) -> list[Chunk]:
    """Return the packets of numbered frames in decoding order, with headers in the first."""
    temporary = write_test_video(
        path.with_name("encoded.mkv"), frames=frames, codec=codec, options=options
    )
    with av.open(str(temporary)) as source:
        stream = source.streams.video[0]
        chunks = [(p.is_keyframe, bytes(p)) for p in source.demux(stream) if p.size]
        headers = stream.codec_context.extradata or b""
    temporary.unlink()
    return [(True, headers + chunks[0][1]), *chunks[1:]]


def write_avi(
    path: Path, code: bytes, chunks: Sequence[Chunk], *, scale: int = 1, rate: int = 25
) -> None:
    """Write an AVI of 64 x 48 pixels with an index, without any check."""
    movie, index = b"movi", b""
    for is_key, data in chunks:
        index += struct.pack("<4sIII", b"00dc", 0x10 * is_key, len(movie), len(data))
        movie += _chunk(b"00dc", data)
    count = len(chunks)
    header = struct.pack("<14I", 40000, 0, 0, 0x10, count, 0, 1, 0, 64, 48, 0, 0, 0, 0)
    stream = struct.pack(
        "<4s4sIHH8I4h", b"vids", code, 0, 0, 0, 0, scale, rate, 0, count, 0, 0, 0, 0, 0, 64, 48
    )
    picture = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, code, 64 * 48 * 3, 0, 0, 0, 0)
    description = b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", picture)
    headers = b"hdrl" + _chunk(b"avih", header) + _chunk(b"LIST", description)
    body = b"AVI " + _chunk(b"LIST", headers) + _chunk(b"LIST", movie) + _chunk(b"idx1", index)
    path.write_bytes(_chunk(b"RIFF", body))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def make_dropped_frames(path: Path) -> None:
    """AVI of 16 slots at 25/s: two empty, frames 0 to 3, one empty, frames 4 to 9, three empty."""
    chunks = encoded(path, "mpeg4", 10, {"g": "5"})
    gap = [(False, EMPTY)]
    write_avi(path, b"XVID", [*gap * 2, *chunks[:4], *gap, *chunks[4:], *gap * 3])


def make_empty_samples(path: Path) -> None:
    """MP4 of 10 samples at 25/s, of which 3, 4, 8 and 9 have no bytes."""
    write_test_video(path, frames=10, codec="mpeg4", options={"g": "1"})
    data = bytearray(path.read_bytes())
    table = data.index(b"stsz") + 16
    sizes = list(struct.unpack_from(">10I", data, table))
    start = struct.unpack_from(">I", data, data.index(b"stco") + 12)[0]
    offsets = [start + sum(sizes[:number]) for number in range(10)]
    kept = [data[offsets[n] : offsets[n] + sizes[n]] for n in range(10) if n not in (3, 4, 8, 9)]
    content = b"".join(kept)
    data[start : start + len(content)] = content
    for number in (3, 4, 8, 9):
        struct.pack_into(">I", data, table + 4 * number, 0)
    path.write_bytes(bytes(data))


def uncoded_vop(time: int) -> bytes:
    """Return an MPEG-4 packet that holds no picture; 25 times fit in a second."""
    bits = f"0101{time % 25:05b}1001"  # P, no second, time, not coded
    bits += "1" * (-len(bits) % 8)
    return b"\0\0\1\xb6" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def make_uncoded_vops(path: Path) -> None:
    """MP4 of 12 packets at 25/s; 4 and 5 hold no picture, and the frame before them stays."""
    plain = write_test_video(
        path.with_name("plain.mp4"), frames=12, codec="mpeg4", options={"g": "3"}
    )
    _replace_packets(plain, path, {number: uncoded_vop(number) for number in (4, 5)})
    plain.unlink()


def _replace_packets(source: Path, target: Path, replaced: dict[int, bytes]) -> None:
    with av.open(str(source)) as given, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(p for p in given.demux(video=0) if p.size):
            copy = av.Packet(replaced.get(number, bytes(packet)))
            copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
            copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
            copy.stream = stream
            output.mux(copy)


def make_packet_without_picture(path: Path) -> None:
    """H.264 of 12 packets at 25/s; 4 and 5 hold only a delimiter, and the frame before stays."""
    options = {"g": "3", "bf": "0", "x264-params": "scenecut=0:min-keyint=3"}
    plain = write_test_video(path.with_name(f"plain{path.suffix}"), frames=12, options=options)
    _replace_packets(plain, path, dict.fromkeys((4, 5), b"\0\0\0\2\x09\xf0"))
    plain.unlink()


def make_packed_divx(path: Path) -> None:
    """AVI in which a chunk holds a P and a B frame, and the next one only a placeholder."""
    chunks = encoded(path, "mpeg4", 12, {"bf": "1", "g": "12", "b_strategy": "0"})
    packed: list[Chunk] = []
    waiting = list(chunks)
    while waiting:
        is_key, data = waiting.pop(0)
        if waiting and _vop_kind(waiting[0][1]) == "B":
            packed.append((is_key, data + waiting.pop(0)[1]))
            packed.append((False, uncoded_vop(len(packed))))
        else:
            packed.append((is_key, data))
    name = b"\0\0\1\xb2DivX503b1393p\0"
    first = packed[0][1].index(b"\0\0\1\xb6")
    packed[0] = (True, packed[0][1][:first] + name + packed[0][1][first:])
    write_avi(path, b"DX50", packed)


def _vop_kind(data: bytes) -> str:
    return "IPBS"[data[data.index(b"\0\0\1\xb6") + 4] >> 6]


def make_hidden_vp8(path: Path) -> None:
    """WebM of 12 packets at 25/s, of which 4 and 5 are decoded but not shown."""
    plain = write_test_video(
        path.with_name("plain.webm"), frames=12, codec="libvpx", options={"g": "6"}
    )
    with av.open(str(plain)) as source:
        packets = [bytes(p) for p in source.demux(video=0) if p.size]
    hidden = {n: bytes([packets[n][0] & ~0x10]) + packets[n][1:] for n in (4, 5)}
    _replace_packets(plain, path, hidden)
    plain.unlink()


def make_repeating_gif(path: Path) -> None:
    """GIF of 8 frames at 10/s; the numbers are 0 0 0 1 1 2 2 2, and repeats have no content."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("gif", 10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for time, number in enumerate((0, 0, 0, 1, 1, 2, 2, 2)):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number)).reformat(format="rgb8")
            frame.pts = time
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


# --- Timestamps ----------------------------------------------------------------------------------


def make_avi_b_frames(path: Path) -> None:
    """AVI with B-frames, in which only the order of decoding has times."""
    write_avi(path, b"XVID", encoded(path, "mpeg4", 12, {"bf": "2", "g": "12"}))


def make_avi_without_clock(path: Path) -> None:
    """AVI whose rate is 0/0; 25 frames per second."""
    write_avi(path, b"XVID", encoded(path, "mpeg4", 10, {"g": "5"}), scale=0, rate=0)


def make_avi_of_a_million_frames_per_second(path: Path) -> None:
    """AVI whose rate is a million; the stream states 25 frames per second."""
    write_avi(path, b"XVID", encoded(path, "mpeg4", 10, {"g": "5"}), rate=1_000_000)


def write_block_times(path: Path, times: Sequence[int]) -> None:
    """Write an MKV of frames with these times, in milliseconds."""
    write_test_video(
        path, frames=len(times), codec="mpeg4", options={"g": "4"}, container_format="matroska"
    )
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as source:
        packets = [bytes(p) for p in source.demux(video=0) if p.size]
    position = 0
    for packet, time in zip(packets, times, strict=True):
        position = data.index(packet, position)
        struct.pack_into(">h", data, position - 3, time)  # before the flags of the block
    path.write_bytes(bytes(data))


def make_repeated_times(path: Path) -> None:
    """MKV in which some times are repeated, and later ones are right."""
    write_block_times(path, [0, 40, 40, 120, 160, 160, 160, 280, 320, 360])


def make_unordered_times(path: Path) -> None:
    """MKV in which pairs of times are exchanged."""
    write_block_times(path, [0, 80, 40, 160, 120, 240, 200, 320, 280, 360])


def make_equal_times(path: Path) -> None:
    """MKV in which all times are zero; 25 frames per second."""
    write_block_times(path, [0] * 10)


def make_early_start(path: Path) -> None:
    """MKV that starts 0.2 s before zero."""
    write_block_times(path, [40 * k - 200 for k in range(10)])


def make_wrapping_ts(path: Path) -> None:
    """MPEG-TS whose clock of 33 bits wraps around after five frames."""
    start = 2**33 - 5 * 3600 - 9000  # less the 0.1 s that the muxer adds
    write_test_video(
        path, pts=[start + 3600 * k for k in range(12)], time_base=Fraction(1, 90000),
        container_format="mpegts", options={"bf": "0", "g": "4"},
    )  # fmt: skip


def make_joined_ts(path: Path) -> None:
    """Two MPEG-TS recordings with sound, of 12 frames each; the clock restarts."""
    part = write_test_video(
        path.with_name("part.ts"), pts=range(100, 112), audio="aac", audio_start=4.0,
        container_format="mpegts",
    )  # fmt: skip
    path.write_bytes(part.read_bytes() * 2)
    part.unlink()


def make_late_start(path: Path) -> None:
    """A video that starts an hour late."""
    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    write_test_video(path, pts=[HOUR * 25 + k for k in range(10)], codec=codec)


def make_late_start_with_sound(path: Path) -> None:
    """A video whose frames and sound start an hour late."""
    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    write_test_video(
        path, pts=[HOUR * 25 + k for k in range(10)], codec=codec, audio_start=HOUR,
        audio="libopus" if path.suffix == ".webm" else "aac",
    )  # fmt: skip


def make_sound_before_frames(path: Path) -> None:
    """A video whose sound starts two seconds before its frames."""
    write_test_video(path, pts=range(50, 60), audio="aac", audio_start=0, audio_seconds=2.4)


# --- Pictures ------------------------------------------------------------------------------------


def _frames(count: int) -> list[Image.Image]:
    return [Image.fromarray(numbered_frame(number)) for number in range(count)]


def make_animated_webp(path: Path) -> None:
    """WebP of four frames; the delays of 0 and 10 ms count as 100 ms."""
    first, *rest = _frames(4)
    first.save(path, save_all=True, append_images=rest, duration=[40, 0, 10, 250], lossless=True)


def make_apng_with_default_image(path: Path) -> None:
    """PNG of three frames; picture 0 is for programs without animation and is not one of them."""
    first, *rest = _frames(4)
    first.save(path, save_all=True, append_images=rest, duration=[40, 60, 80], default_image=True)


def make_animated_avif(path: Path) -> None:
    """AVIF of four frames with 60 ms each."""
    first, *rest = _frames(4)
    first.save(path, save_all=True, append_images=rest, duration=60, quality=90)


def make_hasty_gif(path: Path) -> None:
    """GIF of four frames without delay, which count as 100 ms each."""
    first, *rest = _frames(4)
    first.save(path, save_all=True, append_images=rest, duration=0, loop=0)


def make_turned_jpeg(path: Path) -> None:
    """JPEG of 64 x 48 pixels that EXIF turns by a right angle: 48 x 64."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(numbered_frame(5)).save(path, quality=95, exif=exif)


def make_deep_tiff(path: Path) -> None:
    """TIFF of 16-bit grey."""
    grey = numbered_frame(9).astype(np.uint16)[..., 1] * 257
    Image.fromarray(grey).save(path)


# --- Colours -------------------------------------------------------------------------------------


def write_colour(
    path: Path,
    planes: tuple[int, int, int],
    *,
    pixels: str = "yuv444p",
    size: tuple[int, int] = (64, 64),
    **tags: int,
) -> None:
    """Write a frame of one colour, without loss.

    Args:
        path: the file, an MKV.
        planes: value of each plane.
        pixels: pixel format.
        size: (width, height).
        tags: ``colorspace``, ``color_range``, ``color_trc`` and ``color_primaries``.
    """
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", 25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        frame = av.VideoFrame(*size, pixels)
        kind = np.uint16 if pixels.endswith("le") else np.uint8
        for plane, value in zip(frame.planes, planes, strict=False):
            plane.update(np.full(plane.buffer_size // kind().itemsize, value, kind).tobytes())
        for name, tag in tags.items():
            setattr(stream.codec_context, name, tag)
            setattr(frame, name, tag)
        frame.pts = 0
        output.mux([*stream.encode(frame), *stream.encode(None)])


def make_untagged_high_definition(path: Path) -> None:
    """1280 x 720 without a stated matrix, which is then that of BT.709: (213, 145, 97)."""
    write_colour(path, (150, 100, 160), pixels="yuv420p", size=(1280, 720))


def make_pq(path: Path) -> None:
    """PQ of BT.2020 at 203 cd/m², the white of standard video."""
    write_colour(
        path, (573, 512, 512), pixels="yuv444p10le", colorspace=9, color_range=1, color_trc=16,
        color_primaries=9,
    )  # fmt: skip


# --- Hostile headers -----------------------------------------------------------------------------


def make_huge_gif(path: Path) -> None:
    """Animated GIF of under 200 bytes whose header states 12000 x 12000 pixels."""
    stream = io.BytesIO()
    first, second = Image.new("P", (1, 1), 0), Image.new("P", (1, 1), 1)
    first.save(stream, "GIF", save_all=True, append_images=[second], duration=40, palette=bytes(6))
    data = bytearray(stream.getvalue())
    struct.pack_into("<HH", data, 6, 12000, 12000)
    path.write_bytes(bytes(data))


def make_huge_apng(path: Path) -> None:
    """Animated PNG of under 200 bytes whose header states 12000 x 12000 pixels."""
    size = (12000, 12000)
    control = struct.pack(">5IHHBB", 0, *size, 0, 0, 1, 10, 0, 0)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)),
        (b"acTL", struct.pack(">II", 2, 0)),
        (b"fcTL", control),
        (b"IDAT", zlib.compress(bytes(100))),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def make_huge_vp8(path: Path) -> None:
    """WebM whose frames state 16000 x 16000 pixels."""
    write_test_video(path, frames=2, codec="libvpx")
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, data.index(b"\x9d\x01\x2a") + 3, 16000, 16000)
    path.write_bytes(bytes(data))


def make_huge_raw_avi(path: Path) -> None:
    """AVI of raw video whose header states 12000 x 12000 pixels."""
    write_avi(path, b"I420", [(True, bytes(64 * 48 * 3 // 2))] * 2)
    data = bytearray(path.read_bytes())
    struct.pack_into("<ii", data, data.index(b"strf") + 12, 12000, 12000)
    path.write_bytes(bytes(data))


def make_huge_display(path: Path) -> None:
    """3000 x 3000 pixels, 16 times as wide as high: 48000 x 3000."""
    write_shaped(path, (3000, 3000), Fraction(16), frames=1)


READABLE: dict[str, tuple[Callable[[Path], None], int]] = {
    "wide-pixels.mp4": (make_wide_pixels, 6),
    "tall-pixels.mkv": (make_tall_pixels, 6),
    "dvd.mpg": (make_dvd, 6),
    "dv.avi": (make_dv, 2),
    "display-width.webm": (make_display_width, 6),
    "turned-wide-pixels.mp4": (make_turned_wide_pixels, 6),
    "absurd-pixels.mov": (make_absurd_pixels, 6),
    "changing-pixels.h264": (make_changing_pixels, 12),
    "transparent-vp9.webm": (make_transparent_vp9, 12),
    "transparent-vp9.mkv": (make_transparent_vp9, 12),
    "transparent-vp8.webm": (make_transparent_vp8, 12),
    "opaque-with-alpha-mode.webm": (make_opaque_with_alpha_mode, 10),
    "dropped-frames.avi": (make_dropped_frames, 10),
    "empty-samples.mp4": (make_empty_samples, 6),
    "uncoded-vops.mp4": (make_uncoded_vops, 10),
    "without-picture.mp4": (make_packet_without_picture, 10),
    "without-picture.mkv": (make_packet_without_picture, 10),
    "packed-divx.avi": (make_packed_divx, 12),
    "hidden-vp8.webm": (make_hidden_vp8, 10),
    "repeating.gif": (make_repeating_gif, 8),
    "b-frames.avi": (make_avi_b_frames, 12),
    "without-clock.avi": (make_avi_without_clock, 10),
    "million.avi": (make_avi_of_a_million_frames_per_second, 10),
    "repeated-times.mkv": (make_repeated_times, 10),
    "unordered-times.mkv": (make_unordered_times, 10),
    "equal-times.mkv": (make_equal_times, 10),
    "early-start.mkv": (make_early_start, 10),
    "wrapping.ts": (make_wrapping_ts, 12),
    "joined.ts": (make_joined_ts, 24),
    "late-start.mp4": (make_late_start, 10),
    "late-start.mkv": (make_late_start, 10),
    "late-start.webm": (make_late_start, 10),
    "late-start.flv": (make_late_start, 10),
    "late-start.ts": (make_late_start, 10),
    "late-start-with-sound.mp4": (make_late_start_with_sound, 10),
    "late-start-with-sound.webm": (make_late_start_with_sound, 10),
    "sound-before-frames.mp4": (make_sound_before_frames, 10),
    "animated.webp": (make_animated_webp, 4),
    "default-image.png": (make_apng_with_default_image, 3),
    "animated.avif": (make_animated_avif, 4),
    "hasty.gif": (make_hasty_gif, 4),
    "turned.jpg": (make_turned_jpeg, 1),
    "deep.tiff": (make_deep_tiff, 1),
    "untagged-hd.mkv": (make_untagged_high_definition, 1),
    "pq.mkv": (make_pq, 1),
}
"""Files that are read, each with its maker and its number of frames."""

TOO_LARGE: dict[str, Callable[[Path], None]] = {
    "huge.gif": make_huge_gif,
    "huge.png": make_huge_apng,
    "huge-vp8.webm": make_huge_vp8,
    "huge-raw.avi": make_huge_raw_avi,
    "huge-display.mp4": make_huge_display,
}
"""Files that are refused because of the size of their frames, each with its maker."""
