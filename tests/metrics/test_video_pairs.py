import math
from pathlib import Path

import numpy as np
import pytest
from _helpers.media_files import write_test_video
from PIL import Image
from skimage import metrics as reference

from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.media.image import write_image
from cpabmm_core.metrics.video_scores import VideoScores, match_videos, score_video, summarise

RANDOM = np.random.default_rng(0)


def picture(height: int = 16, width: int = 24) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_folder(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        write_image(folder / f"{number}.png", frame)
    return folder


def test_scores_of_frames_are_the_means_of_scikit_image(tmp_path: Path) -> None:
    ours, theirs = [picture() for _ in range(3)], [picture() for _ in range(3)]
    told: list[int] = []
    scores = score_video(
        write_folder(tmp_path / "real", ours),
        write_folder(tmp_path / "generated", theirs),
        progress=told.append,
    )
    pairs = list(zip(ours, theirs, strict=True))
    psnr = np.mean([reference.peak_signal_noise_ratio(*pair) for pair in pairs])
    ssim = np.mean(
        [
            reference.structural_similarity(
                *pair,
                channel_axis=-1,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for pair in pairs
        ]
    )
    l1 = np.mean([np.abs(a / 255 - b / 255).mean() for a, b in pairs])
    assert (scores.name, scores.frames) == ("real", 3)
    np.testing.assert_allclose((scores.l1, scores.psnr, scores.ssim), (l1, psnr, ssim), rtol=1e-6)
    assert told == [1, 2, 3]


def test_an_identical_video_is_perfect(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=4)
    scores = score_video(path, path)
    assert (scores.frames, scores.l1, scores.ssim) == (4, 0, 1)
    assert scores.psnr == math.inf


def test_two_wide_images_are_compared_whole(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, picture(16, 48))
    assert score_video(tmp_path / "a.png", tmp_path / "b.png").frames == 1


def test_a_strip_is_compared_with_a_video_frame_by_frame(tmp_path: Path) -> None:
    squares = [picture(16, 16) for _ in range(3)]
    write_image(tmp_path / "strip.png", np.concatenate(squares, axis=1))
    scores = score_video(tmp_path / "strip.png", write_folder(tmp_path / "frames", squares))
    assert (scores.frames, scores.l1) == (3, 0)


@pytest.mark.parametrize(("real", "generated"), [(3, 5), (5, 3)])
def test_different_lengths_are_refused_with_both_counts(
    tmp_path: Path, real: int, generated: int
) -> None:
    one = write_test_video(tmp_path / "a.mp4", frames=real)
    other = write_test_video(tmp_path / "b.mp4", frames=generated)
    with pytest.raises(DataError, match=r"has 5 frames, .* has 3"):
        score_video(one, other)


def test_different_sizes_are_refused(tmp_path: Path) -> None:
    one = write_test_video(tmp_path / "a.mp4", size=(64, 48))
    other = write_test_video(tmp_path / "b.mp4", size=(32, 48))
    with pytest.raises(DataError, match=r"b\.mp4: is 32 x 48, .*a\.mp4 is 64 x 48"):
        score_video(one, other)


def test_a_square_video_of_another_size_is_compared_with_what_the_model_saw(tmp_path: Path) -> None:
    frames = [picture(16, 24) for _ in range(2)]
    theirs = [picture(12, 12) for _ in range(2)]
    told: list[str] = []
    real = write_folder(tmp_path / "real", frames)
    scores = score_video(real, write_folder(tmp_path / "made", theirs), report=told.append)
    squares = [
        np.asarray(Image.fromarray(f[:, 4:20]).resize((12, 12), Image.Resampling.BICUBIC))
        for f in frames
    ]
    expected = np.mean([np.abs(a / 255 - b / 255) for a, b in zip(squares, theirs, strict=True)])
    assert scores.l1 == pytest.approx(expected)
    assert told == [f"{real}: is 24 x 16; its centred square is compared, at 12 x 12"]


def test_frames_of_one_size_are_compared_as_they_are(tmp_path: Path) -> None:
    one, other = picture(16, 24), picture(16, 24)
    write_image(tmp_path / "a.png", one)
    write_image(tmp_path / "b.png", other)
    told: list[str] = []
    scores = score_video(tmp_path / "a.png", tmp_path / "b.png", report=told.append)
    assert scores.l1 == pytest.approx(np.abs(one / 255 - other / 255).mean())
    assert told == []


def test_frames_too_small_for_ssim_are_refused_by_name(tmp_path: Path) -> None:
    write_image(tmp_path / "dot.png", picture(1, 1))
    with pytest.raises(DataError, match=r"dot\.png: .*too small"):
        score_video(tmp_path / "dot.png", tmp_path / "dot.png")


def test_a_missing_file_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        score_video(tmp_path / "a.png", tmp_path / "b.png")


def test_folders_are_matched_by_name_whatever_the_suffix(tmp_path: Path) -> None:
    for name in ("real/a.mp4", "real/b.gif", "generated/b.mp4", "generated/a.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pairs = match_videos(tmp_path / "real", tmp_path / "generated")
    assert [(one.name, other.name) for one, other in pairs] == [
        ("a.mp4", "a.webm"),
        ("b.gif", "b.mp4"),
    ]


@pytest.mark.parametrize("lacking", ["real", "generated"])
def test_a_name_missing_on_either_side_is_refused(tmp_path: Path, lacking: str) -> None:
    for name in ("real/a.mp4", "real/b.mp4", "generated/a.mp4", "generated/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / lacking / "b.mp4").unlink()
    with pytest.raises(DataError, match=f"{lacking}: lacks b"):
        match_videos(tmp_path / "real", tmp_path / "generated")


def test_a_file_and_a_folder_do_not_match(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two files or two folders"):
        match_videos(tmp_path, tmp_path / "a.mp4")


def test_l1_of_a_set_is_over_all_frames_and_the_rest_over_videos() -> None:
    """The field's scripts keep an L1 of each frame, and print the mean of that list."""
    scores = summarise(
        [
            VideoScores("short", frames=2, l1=0.5, psnr=10, ssim=0.2),
            VideoScores("long", frames=8, l1=0.25, psnr=20, ssim=0.6),
        ]
    )
    assert scores.l1 == pytest.approx(np.mean([0.5] * 2 + [0.25] * 8))
    assert scores.l1_videos == pytest.approx((0.5 + 0.25) / 2)
    assert scores.psnr == 15
    assert scores.ssim == pytest.approx(0.4)


def test_an_identical_frame_makes_the_psnr_of_a_set_infinite() -> None:
    scores = summarise([VideoScores("a", 1, 0.5, 10, 0.2), VideoScores("b", 1, 0, math.inf, 1)])
    assert scores.psnr == math.inf
