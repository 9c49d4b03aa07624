from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import write_test_video
from PIL import Image

from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.video_metric import Frames
from cpabmm_core.metrics.video_pairs import coding_warnings, match_videos, read_frame_pairs

RANDOM = np.random.default_rng(0)


def random_image(height: int = 16, width: int = 24) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_folder(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        write_image(folder / f"{number}.png", frame)
    return folder


def read_chunks(
    real: Path, generated: Path, size: int = 16, announce: Callable[[str], None] = print
) -> list[tuple[Frames, Frames]]:
    return list(read_frame_pairs(real, generated, size, announce=announce))


def read_single_chunk(
    real: Path, generated: Path, announce: Callable[[str], None] = print
) -> tuple[Frames, Frames]:
    ((ours, theirs),) = read_chunks(real, generated, announce=announce)
    return ours, theirs


@pytest.mark.parametrize(("size", "lengths"), [(2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_frames_come_in_chunks_and_in_order(tmp_path: Path, size: int, lengths: list[int]) -> None:
    ours, theirs = [random_image() for _ in range(5)], [random_image() for _ in range(5)]
    real = write_folder(tmp_path / "real", ours)
    generated = write_folder(tmp_path / "generated", theirs)
    found = read_chunks(real, generated, size)
    assert [len(one) for one, _ in found] == lengths
    np.testing.assert_array_equal(np.concatenate([one for one, _ in found]), ours)
    np.testing.assert_array_equal(np.concatenate([other for _, other in found]), theirs)


def test_two_wide_images_are_compared_whole(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, random_image(16, 48))
    ours, _ = read_single_chunk(tmp_path / "a.png", tmp_path / "b.png")
    assert ours.shape == (1, 16, 48, 3)


def test_two_strips_of_puppets_are_compared_frame_by_frame(tmp_path: Path) -> None:
    squares = [random_image(16, 16) for _ in range(3)]
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, np.concatenate(squares, axis=1))
    (tmp_path / "a.json").write_text('{"joint_names": ["head"], "joints": []}')
    ours, theirs = read_single_chunk(tmp_path / "a.png", tmp_path / "b.png")
    np.testing.assert_array_equal(ours, squares)
    np.testing.assert_array_equal(theirs, squares)


def test_a_strip_is_compared_with_a_video_frame_by_frame(tmp_path: Path) -> None:
    squares = [random_image(16, 16) for _ in range(3)]
    write_image(tmp_path / "strip.png", np.concatenate(squares, axis=1))
    ours, theirs = read_single_chunk(
        tmp_path / "strip.png", write_folder(tmp_path / "frames", squares)
    )
    np.testing.assert_array_equal(ours, squares)
    np.testing.assert_array_equal(theirs, squares)


@pytest.mark.parametrize(("real", "generated"), [(3, 5), (5, 3)])
def test_different_lengths_are_rejected_with_both_counts(
    tmp_path: Path, real: int, generated: int
) -> None:
    one = write_test_video(tmp_path / "a.mp4", frames=real)
    other = write_test_video(tmp_path / "b.mp4", frames=generated)
    with pytest.raises(DataError, match=r"has 5 frames, .* has 3"):
        read_chunks(one, other)


def test_different_sizes_are_rejected(tmp_path: Path) -> None:
    one = write_test_video(tmp_path / "a.mp4", size=(64, 48))
    other = write_test_video(tmp_path / "b.mp4", size=(32, 48))
    with pytest.raises(DataError, match=r"b\.mp4: is 32 x 48, .*a\.mp4 is 64 x 48"):
        read_chunks(one, other)


def test_a_square_video_is_compared_with_the_framed_real_video(tmp_path: Path) -> None:
    frames = [random_image(16, 24) for _ in range(2)]
    theirs = [random_image(12, 12) for _ in range(2)]
    messages: list[str] = []
    real = write_folder(tmp_path / "real", frames)
    ours, _ = read_single_chunk(
        real, write_folder(tmp_path / "made", theirs), announce=messages.append
    )
    squares = [
        np.asarray(Image.fromarray(f[:, 4:20]).resize((12, 12), Image.Resampling.BICUBIC))
        for f in frames
    ]
    np.testing.assert_array_equal(ours, squares)
    assert messages == [f"{real}: is 24 x 16; its centred square is compared at 12 x 12"]


def test_frames_of_equal_size_are_unchanged(tmp_path: Path) -> None:
    one, other = random_image(16, 24), random_image(16, 24)
    write_image(tmp_path / "a.png", one)
    write_image(tmp_path / "b.png", other)
    messages: list[str] = []
    ours, theirs = read_single_chunk(
        tmp_path / "a.png", tmp_path / "b.png", announce=messages.append
    )
    np.testing.assert_array_equal(ours, [one])
    np.testing.assert_array_equal(theirs, [other])
    assert messages == []


def test_a_missing_file_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        read_chunks(tmp_path / "a.png", tmp_path / "b.png")


def test_folders_match_by_name_without_suffix(tmp_path: Path) -> None:
    for name in ("real/a.mp4", "real/b.gif", "generated/b.mp4", "generated/a.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pairs = match_videos(tmp_path / "real", tmp_path / "generated")
    assert [(one.name, other.name) for one, other in pairs] == [
        ("a.mp4", "a.webm"),
        ("b.gif", "b.mp4"),
    ]


@pytest.mark.parametrize("lacking", ["real", "generated"])
def test_a_name_missing_in_a_folder_is_rejected(tmp_path: Path, lacking: str) -> None:
    for name in ("real/a.mp4", "real/b.mp4", "generated/a.mp4", "generated/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / lacking / "b.mp4").unlink()
    with pytest.raises(DataError, match=f"{lacking}: lacks b"):
        match_videos(tmp_path / "real", tmp_path / "generated")


def test_a_file_and_a_folder_do_not_match(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two files or two folders"):
        match_videos(tmp_path, tmp_path / "a.mp4")


def test_mixed_coding_causes_one_warning(tmp_path: Path) -> None:
    whole = write_folder(tmp_path / "whole", [random_image(16, 16)])
    strip = tmp_path / "strip.png"
    write_image(strip, random_image(16, 32))
    lossy = write_test_video(tmp_path / "a.mp4", frames=1)
    assert coding_warnings([(whole, strip), (lossy, lossy)]) == []
    (line,) = coding_warnings([(whole, strip), (whole, lossy), (strip, lossy)])
    assert line.startswith(f"{lossy} is lossy, but {whole} is lossless (as in 2 of 3 pairs)")
    (line,) = coding_warnings([(lossy, strip)])
    assert line.startswith(f"{lossy} is lossy, but {strip} is lossless (as in 1 of 1 pairs)")
