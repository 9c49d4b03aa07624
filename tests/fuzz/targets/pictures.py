"""Readers of pictures: still images, stacks of pages and strips."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from fuzz.oracle import Action, BrokenPromiseError, Target
from PIL import Image, ImageCms, PngImagePlugin

from cpabmm_core.media.clips import open_clip
from cpabmm_core.media.image import is_image, read_image
from cpabmm_core.media.image_stack import count_pages, read_page
from cpabmm_core.media.video.source import read_source

_SUFFIXES = (".png", ".jpg", ".tif", ".webp", ".gif", ".heic")
_PAGES = 3
Pixels = npt.NDArray[Any]


def check_frame(frame: Any, channels: tuple[int, ...] = (3,)) -> Any:  # noqa: ANN401
    """Return a frame that is (H, W, C) uint8 and not empty; refuse anything else."""
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3:
        raise BrokenPromiseError(f"is no frame: {type(frame)} {getattr(frame, 'dtype', '')}")
    if frame.shape[2] not in channels or not frame.size:
        raise BrokenPromiseError(f"has shape {frame.shape}")
    return frame


def _actions(path: Path, scratch: Path) -> Mapping[str, Action]:
    return {
        "is_image": lambda: is_image(path),
        "read_image": lambda: check_frame(read_image(path)),
        "read_image again": lambda: check_frame(read_image(path)),
        "read_image with alpha": lambda: check_frame(read_image(path, alpha=True), (3, 4)),
        "read_source": lambda: check_frame(read_source(path)),
        "read_page": lambda: _read_pages(path),
        "open_clip": lambda: _read_clip(path),
    }


def _read_pages(path: Path) -> int:
    count = count_pages(path)
    for index in {*range(min(count, _PAGES)), count - 1}:
        check_frame(read_page(path, index))
    return count


def _read_clip(path: Path) -> int:
    clip = open_clip(path)
    if len(clip) < 1:
        raise BrokenPromiseError("a clip without frames")
    damaged = clip.find_damage()
    for index in range(min(len(clip), _PAGES)):
        if index not in damaged:
            check_frame(clip.read([index])[0])
    return len(clip)


def _compare(results: Mapping[str, Any]) -> None:
    first = results.get("read_image")
    if first is None:
        return
    if not np.array_equal(first, results.get("read_image again", first)):
        raise BrokenPromiseError("two reads differ")
    if first.shape[:2] != results.get("read_image with alpha", first).shape[:2]:
        raise BrokenPromiseError("the alpha changes the size")
    if not results["is_image"]:
        raise BrokenPromiseError("what is read as an image is none")


def _write_seeds(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (12, 24, 3), dtype=np.uint8)
    grey16 = rng.integers(0, 65536, (12, 24), dtype=np.uint16)
    image = Image.fromarray(rgb)
    _write_png_seeds(folder, image, grey16)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(folder / "plain.jpg", exif=exif, icc_profile=profile)
    image.save(folder / "progressive.jpg", progressive=True, dpi=(72, 72))
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.convert("L").save(folder / "grey.jpg")
    image.save(folder / "several.jpg", "MPO", save_all=True, append_images=[image.rotate(180)])
    image.save(folder / "lossy.webp", exif=exif)
    image.convert("RGBA").save(folder / "lossless.webp", lossless=True)
    frames = [image.rotate(angle) for angle in (90, 180)]
    image.save(folder / "animated.webp", save_all=True, append_images=frames)
    image.save(folder / "animated.gif", save_all=True, append_images=frames, duration=40, loop=0)
    image.save(folder / "plain.gif", transparency=3)
    for name, form in (("bmp", "BMP"), ("tga", "TGA"), ("ppm", "PPM"), ("jp2", "JPEG2000")):
        image.save(folder / f"{name}.png", form)
    image.convert("P").save(folder / "rle.tga.png", "TGA", compression="tga_rle")
    image.convert("1").save(folder / "bits.bmp.png", "BMP")
    image.save(folder / "avif.png", "AVIF")
    _write_tiff_seeds(folder, rgb, grey16)
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.from_pillow(image.resize((64, 64))).save(folder / "photo.heic", quality=20)


def _write_png_seeds(folder: Path, image: Image.Image, grey16: Pixels) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("workflow", "{}" * 20)
    texts.add_itxt("Title", "é", "de", "Titel", zip=True)
    texts.add_text("long", "x" * 99, zip=True)
    texts.add(b"gAMA", (45455).to_bytes(4, "big"))
    image.save(folder / "rgb.png", pnginfo=texts, dpi=(72, 72))
    image.convert("RGBA").save(folder / "rgba.png")
    Image.fromarray(grey16).save(folder / "grey16.png")
    image.convert("P").save(folder / "palette.png", transparency=bytes(range(200)))
    image.convert("L").save(folder / "grey.png", transparency=7)
    image.convert("LA").save(folder / "grey-alpha.png")
    image.convert("1").save(folder / "bits.png")
    image.save(folder / "animated.png", save_all=True, append_images=[image.rotate(180)])


def _write_tiff_seeds(folder: Path, rgb: Pixels, grey16: Pixels) -> None:
    floats = rgb.astype(np.float32) / 255
    alpha = np.dstack([rgb, rgb[..., :1]])
    with_strips = {"rowsperstrip": 4}
    for name, pixels, options in (
        ("rgb", rgb, with_strips),
        ("grey16", grey16, {"byteorder": ">"}),
        ("grey32", grey16.astype(np.uint32), {}),
        ("float", floats[..., 0], {}),
        (
            "rgb16-planar",
            np.moveaxis(rgb, 2, 0).astype(np.uint16) * 257,
            {"planarconfig": "separate"},
        ),
        ("rgba", alpha, {"extrasamples": ["unassalpha"], "photometric": "rgb"}),
        ("deflate", rgb, {"compression": "zlib", "predictor": True}),
        ("white-is-zero", rgb[..., 0], {"photometric": "miniswhite"}),
        ("tiles", np.tile(rgb, (2, 2, 1)), {"tile": (16, 16)}),
        ("stack", np.stack([rgb[..., 0]] * 3), {"photometric": "minisblack"}),
        ("big", rgb, {"bigtiff": True}),
    ):
        settings: dict[str, Any] = {
            "photometric": "rgb" if pixels.shape[-1] == 3 else None,
            **options,
        }
        tifffile.imwrite(folder / f"{name}.tif", pixels, **settings)
    image = Image.fromarray(rgb)
    for compression in ("tiff_lzw", "packbits", "jpeg"):
        image.save(folder / f"{compression}.tif", compression=compression)
    image.convert("1").save(folder / "fax.tif", compression="group4")
    image.convert("CMYK").save(folder / "cmyk.tif")
    image.convert("LAB").save(folder / "lab.tif")
    image.convert("P").save(folder / "palette.tif")


TARGET = Target(
    name="pictures",
    suffixes=_SUFFIXES,
    write_seeds=_write_seeds,
    actions=_actions,
    compare=_compare,
    megabytes=2048,  # a photo of 200 megapixels is read within 2 GB
)
