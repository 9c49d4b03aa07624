import json
from pathlib import Path

import numpy as np
import pytest
from _helpers.command_line import assert_fails, document_of, output_of, run
from _helpers.media_files import write_test_video

from cpabmm_core.media.image import write_image


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Pictures a and b: a differs by 51 of 255 everywhere, b is identical."""
    real, generated = tmp_path / "real", tmp_path / "generated"
    for folder, a in ((real, 100), (generated, 151)):
        folder.mkdir()
        write_image(folder / "a.png", np.full((16, 16, 3), a, dtype=np.uint8))
        write_image(folder / "b.png", np.full((16, 16, 3), 30, dtype=np.uint8))
    return real, generated


def test_the_document_has_each_video_and_the_means(folders: tuple[Path, Path]) -> None:
    document = document_of("metrics", *folders)
    a, b = document["videos"]
    assert (a["name"], a["frames"], b["name"], b["frames"]) == ("a", 1, "b", 1)
    assert a["l1"] == pytest.approx(0.2)
    assert a["psnr"] == pytest.approx(-20 * np.log10(0.2))
    assert a["ssim"] < 1
    assert (b["l1"], b["psnr"], b["ssim"]) == (0, None, 1)
    assert document["l1"] == pytest.approx(0.1)
    assert document["psnr"] is None
    assert document["ssim"] == pytest.approx((a["ssim"] + 1) / 2)


def test_without_json_each_video_has_a_line(folders: tuple[Path, Path]) -> None:
    lines = output_of("metrics", *folders).splitlines()
    assert lines[0].startswith("a  l1 0.20000  psnr 13.979  ssim ")
    assert lines[1] == "b  l1 0.00000  psnr inf  ssim 1.00000"
    assert lines[2].startswith("mean of 2 videos  l1 0.10000  psnr inf  ssim ")
    assert lines[3] == "mean of 2 frames  l1 0.10000"


def test_l1_is_the_mean_over_all_frames_and_l1_videos_that_over_videos(tmp_path: Path) -> None:
    """One frame that differs by 51 of 255, and three that do not differ."""
    real, generated = tmp_path / "real", tmp_path / "generated"
    for folder, grey in ((real, 100), (generated, 151)):
        for name, count, level in (("a", 1, grey), ("b", 3, 30)):
            (folder / name).mkdir(parents=True)
            for number in range(count):
                image = np.full((16, 16, 3), level, dtype=np.uint8)
                write_image(folder / name / f"{number}.png", image)
    document = document_of("metrics", real, generated)
    assert document["l1"] == pytest.approx(0.2 / 4)
    assert document["l1_videos"] == pytest.approx(0.2 / 2)
    assert set(document) == {"l1", "l1_videos", "psnr", "ssim", "videos"}
    lines = output_of("metrics", real, generated).splitlines()
    assert lines[2].startswith("mean of 2 videos  l1 0.10000  ")
    assert lines[3] == "mean of 4 frames  l1 0.05000"


def test_two_videos_are_compared_frame_by_frame(tmp_path: Path) -> None:
    path = write_test_video(tmp_path / "a.mp4", frames=3)
    document = document_of("metrics", path, path)
    assert (document["l1"], document["ssim"]) == (0, 1)
    assert document["videos"][0]["frames"] == 3


def test_a_model_sees_the_centred_square_and_that_is_what_counts(
    tmp_path: Path, checkpoint: Path
) -> None:
    """64 x 48 against 32 x 32: the score of `reconstruct`, but for the coding of what it wrote."""
    video = write_test_video(tmp_path / "a.mp4", frames=3)
    drawn = document_of("reconstruct", video, "-o", tmp_path / "out", "--checkpoint", checkpoint)
    result = run("metrics", video, tmp_path / "out" / "a.mp4", "--json")
    assert json.loads(result.stdout)["l1"] == pytest.approx(drawn["l1"], abs=0.02)
    assert "a.mp4: is 64 x 48; its centred square is compared, at 32 x 32\n" in result.stderr


def test_mismatches_are_one_line_with_code_3(folders: tuple[Path, Path], tmp_path: Path) -> None:
    one = write_test_video(tmp_path / "a.mp4", frames=3)
    other = write_test_video(tmp_path / "b.mp4", frames=4)
    small = write_test_video(tmp_path / "c.mp4", frames=3, size=(32, 24))
    assert_fails(3, "metrics", one, other, words="one length")
    assert_fails(3, "metrics", one, small, words="one size")
    assert_fails(3, "metrics", one, tmp_path / "nowhere.mp4", words="no such file")
    assert_fails(3, "metrics", one, folders[0], words="two files or two folders")
    (folders[1] / "b.png").unlink()
    assert_fails(3, "metrics", *folders, words="lacks b")
