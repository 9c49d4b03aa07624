import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import DataError, MediaError
from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.image import read_image
from cpabmm_core.media.image_stack import count_pages, read_page
from cpabmm_core.media.timed_frames import open_frames


def noise(count: int, height: int = 8, width: int = 24) -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def write_stack(path: Path, pages: list[Image.Image]) -> Path:
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def test_every_page_is_a_frame(tmp_path: Path) -> None:
    frames = noise(5)
    path = write_stack(tmp_path / "a.tif", [Image.fromarray(frame) for frame in frames])
    assert count_pages(path) == 5
    clip = open_clip(path)
    assert (len(clip), clip.name) == (5, "a")
    np.testing.assert_array_equal(clip.read([4, 0, 2, 2]), frames[[4, 0, 2, 2]])
    np.testing.assert_array_equal([frame.image for frame in open_frames(path)], frames)
    assert clip.find_damage() == {}
    with pytest.raises(DataError, match="has frames 0 to 4, not 5"):
        clip.read([5])


def test_pages_are_converted_like_single_images(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 48).reshape(6, 8)
    transparent = np.dstack([noise(1, 6, 8)[0], np.full((6, 8), 128, dtype=np.uint8)])
    for name, image in {
        "grey": Image.fromarray(ramp.astype(np.uint16)),
        "float": Image.fromarray((ramp / 65535).astype(np.float32)),
        "small": Image.fromarray((ramp / 257).astype(np.uint8)),
        "black and white": Image.fromarray(ramp > 30000),
        "alpha": Image.fromarray(transparent),
        "palette": Image.fromarray(noise(1, 6, 8)[0]).quantize(16),
    }.items():
        image.save(tmp_path / f"{name}.tif")
        expected = read_image(tmp_path / f"{name}.tif")
        stack = write_stack(tmp_path / f"{name} stack.tif", [image, image])
        np.testing.assert_array_equal(read_page(stack, 1), expected, err_msg=name)


def test_single_page_is_still_a_strip(tmp_path: Path) -> None:
    Image.fromarray(noise(1)[0]).save(tmp_path / "strip.tif")
    assert count_pages(tmp_path / "strip.tif") == 1
    assert len(open_clip(tmp_path / "strip.tif")) == 3


def test_pages_of_different_sizes_are_damage(tmp_path: Path) -> None:
    pages = [Image.fromarray(noise(1, 8, side)[0]) for side in (8, 8, 16)]
    path = write_stack(tmp_path / "a.tif", pages)
    clip = open_clip(path)
    assert clip.find_damage() == {2: f"{path}, page 2: differs in size from the frames before it"}
    with pytest.raises(DataError, match="its frames differ in size"):
        clip.read([0, 2])


def test_files_that_are_no_images_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"neither\0\1" * 30)
    for action in (count_pages, lambda path: read_page(path, 0)):
        with pytest.raises(MediaError) as caught:
            action(tmp_path / "a.tif")
        assert re.match(rf"{tmp_path / 'a.tif'}: .* image", str(caught.value))
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="is not a readable image"):
        open_clip(tmp_path / "a.tif")


def test_thumbnails_and_smaller_levels_are_no_pages(tmp_path: Path) -> None:
    frames = noise(2)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in frames:
            writer.write(frame[::2, ::2], photometric="rgb", subfiletype=1)
            writer.write(frame, photometric="rgb")
    assert count_pages(tmp_path / "a.tif") == 2
    np.testing.assert_array_equal(read_page(tmp_path / "a.tif", 1), frames[1])


def test_no_external_program_opens_a_page(tmp_path: Path) -> None:
    """Pillow would run Ghostscript for a file of this content."""
    (tmp_path / "a.tif").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    )
    with pytest.raises(MediaError, match="unknown format"):
        count_pages(tmp_path / "a.tif")
    with pytest.raises(MediaError, match="PostScript, which is not read"):
        read_page(tmp_path / "a.tif", 0)


def test_every_page_follows_the_rules_of_single_pictures(tmp_path: Path) -> None:
    samples = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    samples[0, 0], samples[5, 7] = np.nan, 1.02
    tifffile.imwrite(tmp_path / "a.tif", np.stack([samples, samples]), photometric="minisblack")
    samples[0, 0] = 0
    truth = np.clip(samples, 0, 1)[..., None] * 255
    assert np.abs(read_page(tmp_path / "a.tif", 1) - truth).max() <= 1
