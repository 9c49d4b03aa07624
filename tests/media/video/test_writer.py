from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from _helpers.media_files import decoded_frames, number_of, numbered_frame
from _helpers.system import limited_file_size
from PIL import Image, ImageSequence

from cpabmm_core.errors import MediaError, ResourceError
from cpabmm_core.media.video import VideoReader, VideoWriter

TICKS = Fraction(1, 15360)
VARIABLE = [3000, 3512, 4024, 5000, 5100, 9000, 9010, 12000, 12512]
SUFFIXES = [".mp4", ".mov", ".mkv", ".webm", ".gif"]


def write(
    path: Path, times: list[int], time_base: Fraction = TICKS, size: tuple[int, int] = (64, 48)
) -> Path:
    with VideoWriter(path, *size, Fraction(30), time_base) as writer:
        for number, time in enumerate(times):
            writer.write(numbered_frame(number, *size), time, 512)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".MP4"])
@pytest.mark.parametrize(
    "time_base", [TICKS, Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 1_000_000)]
)
def test_mp4_stores_every_timestamp_exactly(
    tmp_path: Path, suffix: str, time_base: Fraction
) -> None:
    path = write(tmp_path / f"a{suffix}", VARIABLE, time_base)
    assert decoded_frames(path) == [(time * time_base, k) for k, time in enumerate(VARIABLE)]


def test_time_base_may_be_no_unit_fraction(tmp_path: Path) -> None:
    base = Fraction(1001, 30000)
    path = write(tmp_path / "a.mp4", list(range(8)), base)
    assert [time for time, _ in decoded_frames(path)] == [k * base for k in range(8)]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_matroska_stores_timestamps_to_the_millisecond(tmp_path: Path, suffix: str) -> None:
    frames = decoded_frames(write(tmp_path / f"a{suffix}", VARIABLE))
    assert [number for _, number in frames] == list(range(len(VARIABLE)))
    errors = [abs(got - time * TICKS) for (got, _), time in zip(frames, VARIABLE, strict=True)]
    assert max(errors) <= Fraction(1, 2000)


def test_gif_stores_timestamps_to_the_hundredth_without_drift(tmp_path: Path) -> None:
    times = [k * 512 + 7 for k in range(40)]
    frames = decoded_frames(write(tmp_path / "a.gif", times))
    assert [number for _, number in frames] == list(range(40))
    errors = [abs(got - k * 512 * TICKS) for k, (got, _) in enumerate(frames)]
    assert max(errors) <= Fraction(1, 200)


def test_gif_has_no_delay_that_players_replace(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gif", list(range(6)), Fraction(1, 60))
    with Image.open(path) as image:
        delays = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert len(delays) == 6
    assert min(delays[:-1]) >= 20


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_last_frame_has_the_given_duration(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, 64, 48, 25, Fraction(1, 100)) as writer:
        for number, time in enumerate([0, 4, 8]):
            writer.write(numbered_frame(number), time, 150)
    with av.open(str(path)) as source:
        last = list(source.decode(video=0))[-1]
        assert last.time_base is not None
        if suffix != ".gif":  # FFmpeg's reader gives the last frame its default duration
            assert last.duration * last.time_base == pytest.approx(1.5, abs=1e-3)
    if suffix == ".gif":
        with Image.open(path) as image:
            image.seek(2)
            assert image.info["duration"] == 1500


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_negative_times_are_shifted_to_zero(tmp_path: Path, suffix: str) -> None:
    frames = decoded_frames(write(tmp_path / f"a{suffix}", [-1536, -1024, 0, 512]))
    expected = [Fraction(k, 30) for k in (0, 1, 3, 4)]
    assert [number for _, number in frames] == [0, 1, 2, 3]
    assert max(abs(t - e) for (t, _), e in zip(frames, expected, strict=True)) <= Fraction(1, 200)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [(64, 48), (63, 47), (65, 48), (64, 49)])
def test_any_size_is_written(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    path = write(tmp_path / f"a{suffix}", [0, 512, 1024], size=size)
    padded = suffix not in (".webm", ".gif")
    with av.open(str(path)) as source:
        frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
        pixels = source.streams.video[0].codec_context.pix_fmt
    assert pixels == ("bgra" if suffix == ".gif" else "yuv420p")
    width, height = size
    stored = (height + height % 2, width + width % 2) if padded else (height, width)
    assert frames[2].shape == (*stored, 3)
    assert number_of(frames[2][:height, :width]) == 2
    if stored[1] > width:
        difference = frames[2][:, width].astype(int) - frames[2][:, width - 1]
        assert np.abs(difference).mean() < 12


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_smallest_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, 1, 1, 25, Fraction(1, 25)) as writer:
        writer.write(np.full((1, 1, 3), 200, dtype=np.uint8), 0)
    with VideoReader(path) as reader:
        frames = list(reader)
    assert len(frames) == 1
    assert np.abs(frames[0].image[0, 0].astype(int) - 200).max() < 6


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40), (0, 0, 0), (255, 255, 255)]
)
def test_colours_are_preserved(tmp_path: Path, suffix: str, colour: tuple[int, int, int]) -> None:
    path = tmp_path / f"a{suffix}"
    image = np.full((32, 32, 3), colour, dtype=np.uint8)
    with VideoWriter(path, 32, 32, 25, Fraction(1, 25)) as writer:
        writer.write(image, 0)
    with VideoReader(path) as reader:
        read = next(iter(reader)).image
    assert np.abs(read[8:-8, 8:-8].astype(int) - colour).max() <= 6


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_file_states_its_colour_coding(tmp_path: Path, suffix: str) -> None:
    with av.open(str(write(tmp_path / f"a{suffix}", [0]))) as source:
        frame = next(source.decode(video=0))
    smpte170m, limited, bt709 = 6, 1, 1
    assert (frame.colorspace, frame.color_range) == (smpte170m, limited)
    assert (frame.color_primaries, frame.color_trc) == (bt709, bt709)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_index_precedes_the_frames(tmp_path: Path, suffix: str) -> None:
    data = write(tmp_path / f"a{suffix}", VARIABLE).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.avi", "a.png", ".mp4"])
def test_unknown_suffix_lists_the_allowed_ones_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match=r"\.mp4 \.mov \.mkv \.webm \.gif"):
        VideoWriter(tmp_path / name, 64, 48, 25, TICKS)
    assert not list(tmp_path.iterdir())


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be written"):
        VideoWriter(tmp_path / "no" / "a.mp4", 64, 48, 25, TICKS)


@pytest.mark.parametrize(
    ("image", "time"),
    [
        (numbered_frame(0, 64, 50), 1),
        (numbered_frame(0).astype(np.float32), 1),
        (numbered_frame(0)[..., 0], 1),
        (numbered_frame(0), 0),
        (numbered_frame(0), -1),
    ],
)
def test_wrong_frame_or_time_is_refused(tmp_path: Path, image: np.ndarray, time: int) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48, 25, TICKS) as writer:
        writer.write(numbered_frame(0), 0)
        with pytest.raises(MediaError, match=r"a\.mp4: .*(expected|is not greater)"):
            writer.write(image, time)


def test_video_without_frames_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(MediaError, match="no frame"),
        VideoWriter(tmp_path / "a.mp4", 64, 48, 25, TICKS),
    ):
        pass


def test_error_of_the_caller_is_raised_unchanged(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", 64, 48, 25, TICKS)
    with pytest.raises(KeyboardInterrupt), writer:
        raise KeyboardInterrupt


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_full_disk(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    with limited_file_size(60_000), pytest.raises(ResourceError, match="no space"):
        _write_noise(tmp_path / f"a{suffix}", rng)


def _write_noise(path: Path, rng: np.random.Generator) -> None:
    with VideoWriter(path, 160, 160, 25, Fraction(1, 25)) as writer:
        for number in range(12):
            writer.write(rng.integers(0, 256, (160, 160, 3), dtype=np.uint8), number)


@pytest.mark.parametrize(
    "name", ["a b.mp4", "ünïcødé 画[1].webm", "it's.gif", "-%03d.mp4", "x:y.mkv"]
)
def test_any_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(name), [0, 512])
    with VideoReader(name) as reader:
        assert len(list(reader)) == 2
