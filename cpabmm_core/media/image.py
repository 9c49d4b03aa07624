"""Reading and writing still images."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import MediaError
from cpabmm_core.files.checks import require_file, write_error
from cpabmm_core.media.pictures import is_picture, open_picture, to_frame
from cpabmm_core.media.suffixes import ALPHA_SUFFIXES, IMAGE_OUTPUT_SUFFIXES

_LOSSY_QUALITY = {".jpg": 95, ".jpeg": 95, ".webp": 95}


def read_image(path: str | Path, *, alpha: bool = False) -> Frame:
    """Read an image as a viewer would show it.

    EXIF rotation is applied, colour profiles are converted to sRGB, transparency is composited onto
    white, and samples of any type are scaled to 8 bits. An animation gives its first frame, a file
    of several pictures its main one. An image of more than 64 megapixels is divided by 2, 4 or 8 in
    each direction; `cpabmm_core.media.notices.show_notices` tells the caller.

    Args:
        path: the file.
        alpha: whether to keep the transparency of an image that has some.

    Returns:
        (H, W, 3) uint8 RGB in [0, 255]. With `alpha`, an image with transparency gives (H, W, 4)
        uint8 RGBA, not premultiplied.

    Raises:
        MediaError: the file is missing, unreadable, damaged, too large or no image, or it needs
            the optional dependency pillow-heif.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/red.png"
        ...     Image.new("RGB", (2, 1), "red").save(path)
        ...     read_image(path).tolist()
        [[[255, 0, 0], [255, 0, 0]]]
    """
    return to_frame(open_picture(Path(path)), alpha=alpha)


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
    import imageio.v3 as iio  # takes 30 ms, and only writing needs it

    path = Path(path)
    with_alpha = image.ndim == 3 and image.shape[2] == 4
    check_image_suffix(path, alpha=with_alpha)
    check_frame(image[..., :3] if with_alpha else image, path)
    suffix = path.suffix.lower()
    options: dict[str, Any] = (
        {"quality": _LOSSY_QUALITY[suffix]} if suffix in _LOSSY_QUALITY else {}
    )
    try:
        iio.imwrite(path, image, plugin="pillow", extension=suffix, is_batch=False, **options)
    except OSError as error:
        raise write_error(path, error) from None


def is_image(path: Path) -> bool:
    """Return whether the content of a file is a picture, even a damaged or unreadable one."""
    try:
        return is_picture(require_file(path))
    except MediaError:
        return False


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
    image: NDArray[Any],  # expected to be (H, W, 3) uint8, or (H, W, 4) with alpha
    path: Path,
    *,
    alpha: bool = False,
) -> None:
    """Check that an array is an RGB frame.

    Args:
        image: the array.
        path: the file to write, for the message.
        alpha: whether it may be an RGBA frame as well.

    Raises:
        MediaError: the array has another shape or type.
    """
    channels = (3, 4) if alpha else (3,)
    is_image = image.ndim == 3 and image.shape[-1] in channels and image.size > 0
    if image.dtype != np.uint8 or not is_image:
        raise MediaError(
            f"{path}: expected a frame of shape (height, width, 3) and type uint8, "
            f"got {image.shape} {image.dtype}"
        )
