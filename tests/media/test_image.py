import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from _helpers.system import limited_file_size, without_privileges
from PIL import Image

from cpabmm_core.errors import MediaError, ResourceError
from cpabmm_core.media.image import read_image, write_image

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (5, 7), dtype=np.uint8)


Turn = Callable[[np.ndarray], np.ndarray]


def as_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colour * share + 255 * (1 - share)


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


def test_lossless_round_trip(tmp_path: Path) -> None:
    for suffix in (".png", ".bmp", ".tif", ".PNG"):
        write_image(tmp_path / f"a{suffix}", COLOUR)
        np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), COLOUR)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_files_are_similar(tmp_path: Path, suffix: str) -> None:
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    write_image(tmp_path / f"a{suffix}", smooth)
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - smooth).mean() < 3


def test_grey_black_and_white_and_palette(tmp_path: Path) -> None:
    grey = saved(tmp_path / "grey.png", Image.fromarray(GREY))
    bits = saved(tmp_path / "bits.png", Image.fromarray(GREY > 127))
    palette = saved(tmp_path / "palette.png", Image.fromarray(COLOUR).quantize(64))
    np.testing.assert_array_equal(read_image(grey), as_rgb(GREY))
    np.testing.assert_array_equal(read_image(bits), as_rgb((GREY > 127).astype(np.uint8) * 255))
    np.testing.assert_array_equal(read_image(palette), COLOUR)


def test_transparency_is_composited_onto_white(tmp_path: Path) -> None:
    rgba = saved(tmp_path / "rgba.png", Image.fromarray(np.dstack([COLOUR, ALPHA])))
    grey = saved(tmp_path / "la.png", Image.fromarray(np.dstack([GREY, ALPHA])))
    assert np.abs(read_image(rgba) - on_white(COLOUR, ALPHA)).max() <= 1
    assert np.abs(read_image(grey) - on_white(as_rgb(GREY), ALPHA)).max() <= 1


def test_transparent_palette_entry_is_composited_onto_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 2), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((0, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    shown = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(shown[0, :2], [[0, 0, 200], [255, 255, 255]])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_alpha_is_kept_on_request(tmp_path: Path, suffix: str) -> None:
    rgba = np.dstack([COLOUR, ALPHA])
    write_image(tmp_path / f"a{suffix}", rgba)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", alpha=True), rgba)


def test_alpha_of_grey_and_palette_is_kept_too(tmp_path: Path) -> None:
    grey = saved(tmp_path / "la.png", Image.fromarray(np.dstack([GREY, ALPHA])))
    np.testing.assert_array_equal(read_image(grey, alpha=True), np.dstack([as_rgb(GREY), ALPHA]))
    image = Image.new("P", (4, 2), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((0, 0), 1)
    image.save(tmp_path / "p.png", transparency=0)
    shown = read_image(tmp_path / "p.png", alpha=True)
    np.testing.assert_array_equal(shown[0, :2], [[0, 0, 200, 255], [200, 0, 0, 0]])


def test_opaque_image_gets_no_alpha(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(COLOUR))
    np.testing.assert_array_equal(read_image(path, alpha=True), COLOUR)


def test_lossy_webp_keeps_alpha_exactly(tmp_path: Path) -> None:
    write_image(tmp_path / "a.webp", np.dstack([COLOUR, ALPHA]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.webp", alpha=True)[..., 3], ALPHA)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.bmp"])
def test_format_without_transparency_is_refused_for_rgba(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match=r"transparency.*\.png"):
        write_image(tmp_path / name, np.dstack([COLOUR, ALPHA]))
    assert not (tmp_path / name).exists()


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    wide = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    expected = as_rgb(np.rint(wide / 257).astype(np.uint8))
    for suffix in (".png", ".tif"):
        path = saved(tmp_path / f"a{suffix}", Image.fromarray(wide))
        np.testing.assert_array_equal(read_image(path), expected)


def test_sixteen_bit_colour_is_scaled(tmp_path: Path) -> None:
    """Written with FFmpeg, as Pillow cannot."""
    wide = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    path = tmp_path / "a.png"
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as output:
        stream = output.add_stream("png", 1)
        stream.width, stream.height, stream.pix_fmt = 7, 5, "rgb48be"
        frame = av.VideoFrame.from_ndarray(wide, format="rgb48be")
        output.mux([*stream.encode(frame), *stream.encode(None)])
    assert np.abs(read_image(path) - wide / 257).max() <= 1


def test_floating_point_tiff(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    assert np.abs(read_image(path) - values[..., None] * 255.0).max() <= 0.51


def test_cmyk_jpeg(tmp_path: Path) -> None:
    red = Image.new("RGB", (16, 16), (230, 20, 20)).convert("CMYK")
    red.save(tmp_path / "a.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert np.abs(image.reshape(-1, 3).mean(0) - (230, 20, 20)).max() < 8


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a.swapaxes(0, 1)[::-1, ::-1]),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, turn: Turn) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), turn(COLOUR))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animation_gives_its_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    path = tmp_path / f"a{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **options)
    assert (read_image(path) == (255, 0, 0)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (3, 5)])
def test_extreme_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    image = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)


@pytest.mark.parametrize(
    "name",
    ["a b.png", "a[1].png", "ünïcødé 画.png", 'it\'s "q".png', "-a.png", "a%03d.png", "a:b.png"],
)
def test_any_name_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(name, COLOUR)
    np.testing.assert_array_equal(read_image(name), COLOUR)


def test_wrong_suffix_does_not_matter_for_reading(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), COLOUR)


def bad_files(folder: Path) -> dict[str, Path]:
    whole = saved(
        folder / "whole.png", Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8))
    )
    files = {
        "no such file": folder / "missing.png",
        "is a folder": folder,
        "is empty": folder / "empty.png",
        "damaged image": folder / "cut.png",
        "not a readable image": folder / "text.png",
        "Git LFS pointer": folder / "pointer.png",
    }
    files["is empty"].touch()
    files["damaged image"].write_bytes(whole.read_bytes()[:3000])
    files["not a readable image"].write_text("no picture at all\n" * 10)
    files["Git LFS pointer"].write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )
    return files


@pytest.mark.parametrize(
    "trouble",
    [
        "no such file",
        "is a folder",
        "is empty",
        "damaged image",
        "not a readable image",
        "Git LFS pointer",
    ],
)
def test_bad_file_is_one_line_with_name_trouble_and_cure(tmp_path: Path, trouble: str) -> None:
    path = bad_files(tmp_path)[trouble]
    with pytest.raises(MediaError) as caught:
        read_image(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert trouble in message
    assert ";" in message


def test_truncated_jpeg(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.jpg", Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)))
    whole.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(MediaError, match="damaged image"):
        read_image(whole)


def test_unreadable_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(COLOUR))
    path.chmod(0)
    with without_privileges(), pytest.raises(MediaError, match="permissions"):
        read_image(path)


def test_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(MediaError, match="not a regular file"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.mp4"])
def test_unknown_suffix_lists_the_allowed_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match=r"\.png \.jpg"):
        write_image(tmp_path / name, COLOUR)


@pytest.mark.parametrize(
    "image",
    [
        GREY,
        COLOUR.astype(np.float32),
        np.dstack([COLOUR, ALPHA]).astype(np.float32),
        np.dstack([COLOUR, ALPHA, ALPHA]),
        COLOUR[:0],
    ],
)
def test_wrong_array_is_refused(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(MediaError, match=r"expected .* got"):
        write_image(tmp_path / "a.png", image)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be written"):
        write_image(tmp_path / "no" / "a.png", COLOUR)


def test_full_disk(tmp_path: Path) -> None:
    noise = RNG.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    with limited_file_size(50_000), pytest.raises(ResourceError, match="no space"):
        write_image(tmp_path / "a.png", noise)
