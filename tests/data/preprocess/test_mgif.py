"""Converting GIFs: compositing, padding, split, and broken files."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.data.preprocess.mgif import GifSummary, convert_gifs, pad_to_square
from cpabmm_core.data.split import split_data_set
from cpabmm_core.errors import ConfigError, DataError, OutputExistsError
from cpabmm_core.media.clips import open_clip

KEEP, CLEAR, BACK = 1, 2, 3  # how a player disposes of a GIF frame before it renders the next
RED, GREEN = (200, 10, 10), (10, 180, 20)


def gif(
    path: Path, frames: int = 3, size: tuple[int, int] = (20, 12), disposal: int = CLEAR
) -> Path:
    """Write a transparent GIF. Frame k has a 4 x 4 square at (4 k, 2), red if k is even."""
    images = []
    for k in range(frames):
        image = Image.new("RGBA", size, (0, 0, 0, 0))
        image.paste((*(GREEN if k % 2 else RED), 255), (4 * k, 2, 4 * k + 4, 6))
        images.append(image)
    images[0].save(path, save_all=True, append_images=images[1:], duration=80, disposal=disposal)
    return path


def shown(k: int, disposal: int) -> NDArray[np.uint8]:  # (20, 20, 3)
    """Return frame k as a player shows it, padded to a square of 20 by four rows on each side."""
    image = np.full((20, 20, 3), 255, np.uint8)
    for j in range(k + 1) if disposal == KEEP else [k]:
        image[6:10, 4 * j : 4 * j + 4] = GREEN if j % 2 else RED
    return image


def convert(
    source: Path,
    folder: Path,
    *,
    size: int = 20,
    file_format: Literal["mp4", "png"] = "png",
    test_share: float = 0.0,
    workers: int = 1,
    force: bool = False,
    reports: list[str] | None = None,
) -> GifSummary:
    return convert_gifs(
        source,
        folder,
        size=size,
        file_format=file_format,
        test_share=test_share,
        workers=workers,
        force=force,
        report=(reports if reports is not None else []).append,
    )


@pytest.mark.parametrize("disposal", [KEEP, CLEAR, BACK])
def test_frames_are_composited_on_white_and_padded(tmp_path: Path, disposal: int) -> None:
    (tmp_path / "in").mkdir()
    gif(tmp_path / "in" / "été.gif", disposal=disposal)
    assert convert(tmp_path / "in", tmp_path / "out") == GifSummary(1, 0, 0)
    clip = open_clip(tmp_path / "out" / "train" / "été")
    assert len(clip) == 3
    for k, image in enumerate(clip.read(range(3))):
        np.testing.assert_array_equal(image, shown(k, disposal))


def test_frames_are_resized(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    gif(tmp_path / "in" / "a.gif")
    convert(tmp_path / "in", tmp_path / "out", size=40)
    (image,) = open_clip(tmp_path / "out" / "train" / "a").read([0])
    assert image.shape == (40, 40, 3)
    assert abs(image[13:19, 1:7].astype(int) - RED).max() < 30
    assert (image[:8] == 255).all()


def test_an_odd_row_is_added_at_the_end() -> None:
    image = np.zeros((2, 5, 3), np.uint8)
    assert [int(row.max()) for row in pad_to_square(image)] == [255, 0, 0, 255, 255]
    assert pad_to_square(image.swapaxes(0, 1)).shape == (5, 5, 3)


def test_mp4_clips_keep_the_times(tmp_path: Path) -> None:
    from _helpers.media_files import packet_times

    (tmp_path / "in").mkdir()
    gif(tmp_path / "in" / "a.gif")
    convert(tmp_path / "in", tmp_path / "out", file_format="mp4")
    times = packet_times(tmp_path / "out" / "train" / "a.mp4")
    assert [float(time) for time in times] == [0, 0.08, 0.16]


def test_an_existing_split_is_kept(tmp_path: Path) -> None:
    for subset, names in {"train": "abc", "test": "d"}.items():
        (tmp_path / "in" / subset).mkdir(parents=True)
        for name in names:
            gif(tmp_path / "in" / subset / f"{name}.gif")
    summary = convert(tmp_path / "in", tmp_path / "out", test_share=0.5, workers=2)
    assert summary == GifSummary(3, 1, 0)
    assert sorted(path.name for path in (tmp_path / "out" / "train").iterdir()) == ["a", "b", "c"]


def test_a_flat_folder_is_split_as_in_training(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(20):
        gif(tmp_path / "in" / f"{number}.gif", frames=2)
    (tmp_path / "in" / "notes.txt").touch()
    assert convert(tmp_path / "in", tmp_path / "out", test_share=0.1) == GifSummary(18, 2, 0)
    expected = split_data_set(tmp_path / "in", 0.1, 0, lambda _: None).test.paths
    assert expected is not None
    held_out = {path.name for path in (tmp_path / "out" / "test").iterdir()}
    assert held_out == {path.stem for path in expected}


@pytest.mark.parametrize("file_format", ["png", "mp4"])
def test_a_broken_gif_is_reported_and_the_others_converted(
    tmp_path: Path, file_format: Literal["mp4", "png"]
) -> None:
    (tmp_path / "in").mkdir()
    whole = gif(tmp_path / "in" / "a.gif")
    broken = tmp_path / "in" / "b.gif"
    data = bytearray(whole.read_bytes())
    second = data.index(
        b"\x21\xf9", data.index(b"\x2c")
    )  # the block that precedes the second frame
    image = data.index(b"\x2c", second)
    data[image + 1 : image + 9] = b"\xff" * 8  # a frame beyond the canvas
    broken.write_bytes(bytes(data))
    (tmp_path / "in" / "c.gif").write_text("<html>")
    reports: list[str] = []
    summary = convert(tmp_path / "in", tmp_path / "out", file_format=file_format, reports=reports)
    assert summary == GifSummary(1, 0, 2)
    assert [line.partition(": ")[0] for line in reports] == [str(broken), f"{tmp_path}/in/c.gif"]
    assert [path.stem for path in (tmp_path / "out" / "train").iterdir()] == ["a"]


def test_invalid_requests_fail_before_any_work(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    with pytest.raises(DataError, match="contains no GIF"):
        convert(source, out)
    (source / "a.mp4").touch()
    with pytest.raises(DataError, match="contains no GIF"):
        convert(source, out)
    gif(source / "a.gif")
    with pytest.raises(ConfigError, match="an even number"):
        convert(source, out, size=21, file_format="mp4")
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(OutputExistsError, match="force=True"):
        convert(source, out)
    convert(source, out, force=True)
    assert sorted(path.name for path in out.iterdir()) == ["mine", "test", "train"]
    gif(source / "b.gif").rename(source / "a.GIF")
    with pytest.raises(DataError, match="have the same name"):
        convert(source, out, force=True)
