"""Reading and writing still images."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file, write_error
from cpabmm_core.media.suffixes import ALPHA_SUFFIXES, IMAGE_OUTPUT_SUFFIXES

# The usual image formats. Some of Pillow's other readers run external programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
_LOSSY_QUALITY = {".jpg": 95, ".jpeg": 95, ".webp": 95}


def read_image(path: str | Path, *, alpha: bool = False) -> Frame:
    """Read an image as a viewer would show it.

    EXIF rotation is applied, transparency is composited onto white, 16-bit values are scaled to 8
    bits, and an animation gives its first frame.

    Args:
        path: the file.
        alpha: whether to keep the transparency of an image that has some.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255]. With `alpha`, an image with transparency gives (H, W, 4)
        uint8 RGBA, not premultiplied.

    Raises:
        MediaError: the file is missing, unreadable, damaged or no image.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/red.png"
        ...     Image.new("RGB", (2, 1), "red").save(path)
        ...     read_image(path).tolist()
        [[[255, 0, 0], [255, 0, 0]]]
    """
    path = Path(path)
    require_file(path, expected="an image or video file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                return _to_array(image, alpha)
    except UnidentifiedImageError:
        raise MediaError(
            f"{path}: is not a readable image; give a PNG, JPEG, WebP, BMP, TIFF or GIF"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their parsers raise
        raise MediaError(
            f"{path}: damaged image ({one_line(error)}); fetch or export it again"
        ) from None


def write_image(
    path: str | Path,
    image: Frame,  # (H, W, 3) uint8, or (H, W, 4) with alpha, not premultiplied
) -> None:
    """Write an RGB or RGBA image in the format of the suffix, JPEG and WebP with quality 95.

    Args:
        path: the file to write; an existing one is replaced.
        image: the image.

    Raises:
        MediaError: the suffix is unknown or cannot store the transparency of an RGBA image, the
            array has the wrong shape or type, or the file cannot be written.
        ResourceError: the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/grey.jpg", np.full((8, 8, 3), 128, dtype=np.uint8))
        ...     int(read_image(f"{folder}/grey.jpg").mean())
        128
    """
    path = Path(path)
    with_alpha = image.ndim == 3 and image.shape[2] == 4
    check_image_suffix(path, alpha=with_alpha)
    check_frame(image[..., :3] if with_alpha else image, path)
    suffix = path.suffix.lower()
    try:
        if suffix in _LOSSY_QUALITY:
            Image.fromarray(image).save(path, quality=_LOSSY_QUALITY[suffix])
        else:
            Image.fromarray(image).save(path)
    except OSError as error:
        raise write_error(path, error) from None


def is_image(path: Path) -> bool:
    """Return whether the content of a file is an image or GIF, even a damaged one."""
    try:
        with Image.open(path, formats=_FORMATS):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # a damaged image, which `read_image` reports
        return True


def check_image_suffix(path: Path, *, alpha: bool = False) -> None:
    """Check that `write_image` can write a file of this name.

    Args:
        path: the file to write.
        alpha: whether the image is RGBA.

    Raises:
        MediaError: the suffix is not allowed; the message lists those that are.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGE_OUTPUT_SUFFIXES:
        got = f"suffix {path.suffix}" if path.suffix else "no suffix"
        raise MediaError(
            f"{path}: {got}; an image ends in one of {' '.join(IMAGE_OUTPUT_SUFFIXES)}"
        )
    if alpha and suffix not in ALPHA_SUFFIXES:
        raise MediaError(
            f"{path}: {suffix} cannot store the transparency of the image; use one of "
            f"{' '.join(ALPHA_SUFFIXES)}"
        )


def check_frame(
    image: NDArray[Any],  # expected to be (H, W, 3) uint8
    path: Path,
) -> None:
    """Check that an array is an RGB frame.

    Args:
        image: the array.
        path: the file to write, for the message.

    Raises:
        MediaError: the array has another shape or type.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MediaError(
            f"{path}: expected a frame of shape (height, width, 3) and type uint8, "
            f"got {image.shape} {image.dtype}"
        )


def to_rgb(
    pixels: NDArray[Any],  # (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA
) -> Frame:  # (H, W, 3)
    """Convert decoded pixels to RGB with the rules of `read_image`."""
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype != np.uint8:
        pixels = _to_8_bits(pixels)
    return _to_array(Image.fromarray(pixels), alpha=False)


def _to_array(image: Image.Image, alpha: bool) -> Frame:
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        grey = _to_8_bits(np.asarray(image))
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if alpha:
            return np.array(image)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _to_8_bits(
    values: NDArray[Any],  # integers of 16 bits or more, or floats
) -> NDArray[np.uint8]:
    """Scale to [0, 255]; wider integer types hold 16-bit files, and floats are in [0, 1] or 255."""
    scaled = values.astype(np.float64)
    if np.issubdtype(values.dtype, np.floating):
        top = 1.0 if scaled.max(initial=0) <= 1 else 255.0
    else:
        top = 65535.0
    return np.rint(np.clip(scaled / top, 0, 1) * 255).astype(np.uint8)
