"""Still images: any file Pillow reads becomes RGB or RGBA, and these become a file."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import one_line, require_file, write_error

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""What `write_image` writes, and what counts as an image in a folder of frames."""
ALPHA_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Those of them that keep transparency."""

# Only what a picture may come in: some of Pillow's other readers run outside programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "TGA")
_LOSSY = {".jpg": 95, ".jpeg": 95, ".webp": 95}


def read_image(path: str | Path, *, alpha: bool = False) -> np.ndarray:
    """Read an image as it is meant to be seen.

    EXIF rotation is applied, transparency is composited on white, 16-bit values are scaled to 8
    bits, and of an animation the first frame is taken.

    Args:
        path: the file.
        alpha: keep the transparency of an image that has some, instead of showing it on white.

    Returns:
        (H, W, 3) uint8 RGB; with `alpha`, (H, W, 4) RGBA (not premultiplied) of an image with
        transparency.

    Raises:
        MediaError: the file is missing, unreadable, broken, or no image.
    """
    path = Path(path)
    require_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                return _to_array(image, alpha)
    except MediaError:
        raise
    except UnidentifiedImageError:
        raise MediaError(
            f"{path}: not an image that can be read; give a PNG, JPEG, WebP, BMP, TIFF or GIF"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders let through whatever their parsers raise
        raise MediaError(
            f"{path}: broken image ({one_line(error)}); fetch or export it again"
        ) from None


def write_image(
    path: str | Path,
    image: np.ndarray,  # (H, W, 3) uint8, or (H, W, 4) with alpha, not premultiplied
) -> None:
    """Write an RGB or RGBA image in the format that the suffix names (JPEG, WebP: quality 95).

    Raises:
        MediaError: unknown suffix, one that keeps no transparency for an RGBA image, wrong kind of
            array, or the file cannot be written.
        ResourceError: the disk is full.
    """
    path = Path(path)
    with_alpha = image.ndim == 3 and image.shape[2] == 4
    check_image_suffix(path, alpha=with_alpha)
    check_frame(image[..., :3] if with_alpha else image, path)
    suffix = path.suffix.lower()
    try:
        if suffix in _LOSSY:
            Image.fromarray(image).save(path, quality=_LOSSY[suffix])
        else:
            Image.fromarray(image).save(path)
    except OSError as error:
        raise write_error(path, error) from None


def is_image(path: Path) -> bool:
    """Whether a file is an image by its content, be it a broken one; a GIF is."""
    try:
        with Image.open(path, formats=_FORMATS):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # as in `read_image`, which tells what is wrong
        return True


def check_image_suffix(path: Path, *, alpha: bool = False) -> None:
    """Check that `write_image` can write a file of this name, with `alpha` of an RGBA image.

    Raises:
        MediaError: it cannot; the message lists the allowed suffixes.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        got = f"suffix {path.suffix}" if path.suffix else "no suffix"
        raise MediaError(f"{path}: {got}; an image ends in one of {' '.join(IMAGE_SUFFIXES)}")
    if alpha and suffix not in ALPHA_SUFFIXES:
        raise MediaError(
            f"{path}: {suffix} keeps no transparency, which the picture has; use one of "
            f"{' '.join(ALPHA_SUFFIXES)}"
        )


def check_frame(
    image: np.ndarray,  # (H, W, 3) uint8
    path: Path,
) -> None:
    """Check that an array is a picture of this package; `path` is where it was to be written.

    Raises:
        MediaError: it is not.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MediaError(
            f"{path}: expected a frame of shape (height, width, 3) and type uint8, "
            f"got {image.shape} {image.dtype}"
        )


def _to_array(image: Image.Image, alpha: bool) -> np.ndarray:
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
    grey: np.ndarray,  # (H, W) 16-bit or wider integers, or floats
) -> np.ndarray:
    # Wider integer modes hold 16-bit files; floats are taken as 0 to 1 unless they go beyond it.
    values = grey.astype(np.float64)
    if np.issubdtype(grey.dtype, np.floating):
        top = 1.0 if values.max(initial=0) <= 1 else 255.0
    else:
        top = 65535.0
    return np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8)
