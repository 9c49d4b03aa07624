import subprocess
import sys
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from _helpers.media_files import (
    number_of,
    numbered_frame,
    rotate_by_metadata,
    write_test_video,
    write_video_with_empty_end,
)
from _helpers.system import without_privileges
from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video import VideoFrame, VideoReader, VideoWriter

VARIABLE = [3000, 3512, 4024, 5000, 5100, 9000, 9010, 12000, 12512]
TICKS = Fraction(1, 15360)
QUIET_X265 = {"x265-params": "keyint=4:bframes=3:log-level=none"}


def numbers(path: Path) -> list[int]:
    with VideoReader(path) as reader:
        return [number_of(frame.image) for frame in reader]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("b-frames.mp4", {"options": {"bf": "3", "g": "5"}}),
        ("ten-bit.mp4", {"pixels": "yuv420p10le"}),
        ("444.mkv", {"pixels": "yuv444p"}),
        ("hevc.mp4", {"codec": "libx265", "options": QUIET_X265}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("a.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
        ("h264.avi", {}),
        ("a.ts", {"container_format": "mpegts"}),
        ("a.mpg", {"codec": "mpeg2video"}),
        ("raw.h264", {}),
    ],
)
def test_every_frame_is_read_once_and_in_order(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    path = write_test_video(tmp_path / name, frames=12, **options)
    with VideoReader(path) as reader:
        frames = list(reader)
        assert (reader.width, reader.height) == (64, 48)
        assert reader.frame_rate == 25
        assert not reader.has_audio
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert all(frame.image.shape == (48, 64, 3) for frame in frames)
    assert all(frame.image.dtype == np.uint8 for frame in frames)
    times = [(frame.pts - frames[0].pts) * reader.time_base for frame in frames]
    assert times == pytest.approx([k / 25 for k in range(12)], abs=6e-4)


def test_timestamps_of_a_variable_rate_are_exact_and_start_at_zero(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", pts=VARIABLE, time_base=TICKS, options={"bf": "0"})
    with VideoReader(path) as reader:
        frames = list(reader)
        assert reader.time_base == TICKS
    assert [frame.pts for frame in frames] == [time - VARIABLE[0] for time in VARIABLE]
    assert frames[1].duration == VARIABLE[2] - VARIABLE[1]


def test_colours_are_preserved(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=1, options={"crf": "1"})
    with VideoReader(path) as reader:
        image = next(iter(reader)).image
    assert np.abs(image[4, 8:-8].astype(int) - (220, 30, 30)).max() < 8
    assert np.abs(image[-4, 8:-8].astype(int) - (30, 30, 220)).max() < 8


def right_angle_matrices() -> list[tuple[int, int, int, int]]:
    straight = [(x, 0, 0, y) for x, y in product((1, -1), repeat=2)]
    return straight + [(0, x, y, 0) for x, y in product((1, -1), repeat=2)]


@pytest.mark.parametrize("matrix", right_angle_matrices())
def test_display_matrix_is_applied(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=2, options={"crf": "1"})
    stored = numbered_frame(1)
    rotate_by_metadata(path, matrix)
    a, b, c, d = matrix
    q, p = np.mgrid[:48, :64]
    x, y = a * p + c * q, b * p + d * q
    x, y = x - x.min(), y - y.min()
    expected = np.zeros((y.max() + 1, x.max() + 1, 3), dtype=int)
    expected[y, x] = stored
    with VideoReader(path) as reader:
        image = list(reader)[1].image
        assert image.shape == (reader.height, reader.width, 3) == expected.shape
    assert np.abs(image - expected).mean() < 12


def test_frames_of_another_size_are_resized_to_the_first_one(tmp_path: Path) -> None:
    small = write_test_video(tmp_path / "small.h264", frames=5)
    large = write_test_video(tmp_path / "large.h264", frames=5, size=(128, 96))
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(both) as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == [*range(5), *range(5)]
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert all(b.pts > a.pts for a, b in pairwise(frames))


def test_second_of_two_joined_recordings_follows_the_first(tmp_path: Path) -> None:
    one = write_test_video(tmp_path / "one.ts", frames=60, container_format="mpegts")
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() * 2)
    with VideoReader(both) as reader:
        frames = list(reader)
        times = [frame.pts * reader.time_base for frame in frames]
    assert [number_of(frame.image) for frame in frames] == [*range(60), *range(60)]
    assert times == [Fraction(k, 25) for k in range(120)]
    assert frames[-1].duration * reader.time_base == Fraction(1, 25)


def test_mpeg_streams_start_near_zero(tmp_path: Path) -> None:
    """Their clock starts anywhere; only the offset between sound and frames is meaningful."""
    path = write_test_video(tmp_path / "a.ts", pts=range(2500, 2510), container_format="mpegts")
    with av.open(str(path)) as source:
        first = next(source.decode(video=0))
        assert first.time is not None
        assert first.time >= 100
    with VideoReader(path) as reader:
        times = [frame.pts * reader.time_base for frame in reader]
    assert times == pytest.approx([k / 25 for k in range(10)], abs=1e-3)


def test_timestamps_that_do_not_advance_are_spread_by_one_tick(tmp_path: Path) -> None:
    """Four frames per millisecond, in a container that counts milliseconds."""
    path = write_test_video(
        tmp_path / "a.mkv", pts=range(8), time_base=Fraction(1, 4000), options={"bf": "0"}
    )
    with av.open(str(path)) as source:
        stored = [frame.pts for frame in source.decode(video=0)]
    assert len(set(stored)) < 8
    with VideoReader(path) as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == list(range(8))
    assert all(b.pts > a.pts for a, b in pairwise(frames))


def test_gif_durations(tmp_path: Path) -> None:
    durations = [30, 120, 50, 200]
    images = [Image.fromarray(numbered_frame(k)) for k in range(4)]
    path = tmp_path / "a.gif"
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0)
    with VideoReader(path) as reader:
        frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 3]
    starts = [frame.pts * reader.time_base for frame in frames]
    assert starts == [Fraction(ms, 1000) for ms in (0, 30, 150, 200)]


def test_transparent_gif_and_webm_are_composited_onto_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 8, 16))
    image.save(tmp_path / "a.gif")
    write_test_video(tmp_path / "a.webm", codec="libvpx-vp9", pixels="yuva420p")
    with VideoReader(tmp_path / "a.gif") as reader:
        frame = next(iter(reader)).image
    assert frame[0, 0].tolist() == [255, 0, 0]
    assert frame[0, 12].tolist() == [255, 255, 255]
    assert numbers(tmp_path / "a.webm") == list(range(10))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_still_image_is_a_video_of_one_frame(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(numbered_frame(37)).save(tmp_path / f"a{suffix}")
    assert numbers(tmp_path / f"a{suffix}") == [37]


def test_video_of_one_frame(tmp_path: Path) -> None:
    assert numbers(write_test_video(tmp_path / "a.mp4", frames=1)) == [0]


def test_two_iterations_are_independent(tmp_path: Path) -> None:
    with VideoReader(write_test_video(tmp_path / "a.mp4", audio=True)) as reader:
        assert reader.has_audio
        pairs = list(zip(reader, reader, strict=True))
    assert [(number_of(a.image), number_of(b.image)) for a, b in pairs] == [
        (k, k) for k in range(10)
    ]


def test_cover_picture_of_a_sound_file_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("mp3", rate=44100)
        cover = output.add_stream("png", 1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.int16), "s16p", "stereo")
        silence.sample_rate = 44100
        output.mux(cover.encode(av.VideoFrame.from_ndarray(numbered_frame(0))))
        output.mux([*sound.encode(silence), *sound.encode(None)])
    with pytest.raises(MediaError, match="contains no video"):
        VideoReader(path)


def test_edit_list_that_hides_frames_is_not_damage(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", pts=range(-20, 10), options={"bf": "0"})
    with av.open(str(path)) as source:
        assert source.streams.video[0].frames == 30
    assert numbers(path) == list(range(20, 30))


@pytest.mark.parametrize("duration", [1, 30])
def test_one_frame_less_than_announced_is_accepted(tmp_path: Path, duration: int) -> None:
    path = tmp_path / "a.mp4"
    write_video_with_empty_end(path, duration)
    with av.open(str(path)) as source:
        assert source.streams.video[0].frames == 11
    assert numbers(path) == list(range(10))


def test_damage_is_reported_with_the_number_of_frames_before_it(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=60, options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(data))
    read: list[VideoFrame] = []
    with VideoReader(path) as reader, pytest.raises(MediaError) as caught:
        read.extend(reader)
    assert 5 < len(read) < 55
    assert str(caught.value).startswith(f"{path}: damaged after {len(read)} frames")
    assert "\n" not in str(caught.value)


def test_header_that_announces_too_many_frames(tmp_path: Path) -> None:
    """A file truncated between two frames, with repaired box sizes, as some tools produce it."""
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 64, 48, 25, Fraction(1, 25)) as writer:
        for k in range(60):
            writer.write(numbered_frame(k), k)
    with av.open(str(path)) as source:
        cut = next(packet.pos for k, packet in enumerate(source.demux(video=0)) if k == 50)
    assert cut is not None
    data = bytearray(path.read_bytes()[:cut])
    start = data.index(b"mdat") - 4
    data[start : start + 4] = (len(data) - start).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    with VideoReader(path) as reader, pytest.raises(MediaError, match=r"after 50 of 60 frames"):
        list(reader)


def corrupt_packet(path: Path, number: int) -> None:
    """Overwrite all but the start of a video packet."""
    with av.open(str(path)) as source:
        packet = bytes(next(p for k, p in enumerate(source.demux(video=0)) if k == number))
    data = path.read_bytes()
    assert data.count(packet) == 1
    path.write_bytes(data.replace(packet, packet[:4] + b"\xff" * (len(packet) - 4)))


@pytest.mark.parametrize("number", [1, 30, 55, 58])
def test_damage_near_the_end_is_located_exactly(tmp_path: Path, number: int) -> None:
    path = write_test_video(tmp_path / "a.mkv", frames=60, options={"bf": "0"})
    corrupt_packet(path, number)
    with VideoReader(path) as reader, pytest.raises(MediaError, match=f"after {number} frames"):
        list(reader)


def test_corrupt_last_frame_is_left_out(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mkv", frames=60, options={"bf": "0"})
    corrupt_packet(path, 59)
    assert numbers(path) == list(range(59))


def test_damage_that_the_decoder_conceals(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.avi", frames=60, codec="mpeg4", options={"g": "10"})
    with av.open(str(path)) as source:
        spot = next(packet.pos for k, packet in enumerate(source.demux(video=0)) if k == 30)
    assert spot is not None
    data = bytearray(path.read_bytes())
    data[spot + 60 : spot + 100] = bytes(range(40))
    path.write_bytes(bytes(data))
    with av.open(str(path)) as source:
        assert len(list(source.decode(video=0))) == 60
    with VideoReader(path) as reader, pytest.raises(MediaError, match=r"after 30 frames"):
        list(reader)


@pytest.mark.parametrize("name", ["a.avi", "a.flv", "a.ivf"])
def test_truncated_files_of_other_formats(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name == "a.ivf" else "libx264"
    path = write_test_video(tmp_path / name, frames=60, size=(160, 120), codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 9 // 10])
    with VideoReader(path) as reader, pytest.raises(MediaError, match=r"after \d\d .*frames"):
        list(reader)


TROUBLES = {
    "missing.mp4": "no such file",
    "empty.mp4": "is empty",
    "text.mp4": "is a text file",
    "pointer.mp4": "Git LFS pointer",
    "cut.mp4": "truncated",
    "playlist.mp4": "is a playlist",
    "sound.mp4": "contains no video",
}


@pytest.mark.parametrize("name", TROUBLES)
def test_bad_file_is_one_line_with_name_trouble_and_cure(tmp_path: Path, name: str) -> None:
    whole = write_test_video(tmp_path / "whole.mp4", frames=30)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    (tmp_path / "playlist.mp4").write_text(f"#EXTM3U\n#EXTINF:5,\n{whole}\n#EXT-X-ENDLIST\n")
    (tmp_path / "pointer.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid 1\n")
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:2500])
    with av.open(str(tmp_path / "sound.mp4"), "w") as output:
        sound = output.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        silence.sample_rate = 48000
        output.mux([*sound.encode(silence), *sound.encode(None)])
    with pytest.raises(MediaError) as caught:
        VideoReader(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: ")
    assert TROUBLES[name] in message
    assert ";" in message
    assert "\n" not in message


def test_folder_and_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is a folder"):
        VideoReader(tmp_path)
    path = write_test_video(tmp_path / "a.mp4", frames=1)
    path.chmod(0)
    with without_privileges(), pytest.raises(MediaError, match="permissions"):
        VideoReader(path)


@pytest.mark.parametrize(
    "name",
    ["a b.mp4", "a[1].mp4", "ünïcødé 画.mp4", 'it\'s "q".mp4', "-a.mp4", "a%03d.mp4", "http:a.mp4"],
)
def test_any_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_test_video(tmp_path / "plain.mp4", frames=2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert numbers(Path(name)) == [0, 1]


MEASURE = """
import resource, sys
from cpabmm_core.media.video import VideoReader
with VideoReader(sys.argv[1]) as reader:
    for count, frame in enumerate(reader):
        if count == 20:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count + 1, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early)
"""


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    path = write_test_video(
        tmp_path / "a.mp4", frames=600, size=(320, 240), options={"preset": "ultrafast"}
    )
    output = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3],
    ).stdout  # fmt: skip
    count, kilobytes = map(int, output.split())
    assert count == 600
    assert kilobytes < 20_000  # all frames together occupy 138,000
