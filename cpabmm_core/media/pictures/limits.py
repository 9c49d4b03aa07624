"""How large a picture may be, and how far it is reduced while it is read.

The limits keep the peak of memory below 2 GB. They depend on the bytes per pixel that a decoder
needs: those of WebP, AVIF, HEIF and JPEG 2000 hold several copies of the picture.
"""

from pathlib import Path

from PIL import Image

from cpabmm_core.errors import MediaError
from cpabmm_core.media.notices import notify

FULL_SIZE_PIXELS = 64_000_000
"""Pictures with more pixels are reduced by 2, 4 or 8 in each direction."""
_ROWS_OF_STRIP = 256
_MEGAPIXELS = {"WEBP": 110, "AVIF": 120, "HEIF": 210, "JPEG2000": 120, "GIF": 64}
_DEFAULT_MEGAPIXELS = 256
_HELD_IN_MEMORY = ("JPEG", "PNG", "HEIF", "AVIF", "WEBP")
_LARGEST_FILE = 1024
_LONGEST_SIDE = 1 << 20


def check_size(path: Path, size: tuple[int, int], kind: str) -> None:
    """Refuse a picture that is too large to decode, before memory is allocated for it.

    Args:
        path: the file, for the message.
        size: width and height.
        kind: name of the format in Pillow.

    Raises:
        MediaError: the picture is empty or too large.
    """
    width, height = size
    limit = _MEGAPIXELS.get(kind, _DEFAULT_MEGAPIXELS)
    if min(size) < 1:
        raise MediaError(f"{path}: damaged image ({width} x {height} pixels); export it again")
    if width * height > limit * 1_000_000 or max(size) > _LONGEST_SIDE:
        raise MediaError(
            f"{path}: {width} x {height} pixels ({width * height / 1e6:,.0f} megapixels) are too "
            f"many; the limit for {kind} is {limit} megapixels; shrink the picture first"
        )


def check_file_size(path: Path, kind: str) -> None:
    """Refuse a file that is too large for the decoders that hold it in memory.

    Raises:
        MediaError: the file is too large.
    """
    size = path.stat().st_size >> 20
    if kind in _HELD_IN_MEMORY and size > _LARGEST_FILE:
        raise MediaError(
            f"{path}: is a {kind} file of {size:,} MB; the limit is {_LARGEST_FILE:,} MB; "
            "export the picture alone"
        )


def reduction(size: tuple[int, int]) -> int:
    """Return by how much to divide the width and the height of a picture: 1, 2, 4 or 8.

    Example:
        >>> reduction((8192, 6144)), reduction((16320, 12240))
        (1, 2)
    """
    factor = 1
    while size[0] * size[1] > FULL_SIZE_PIXELS * factor**2 and factor < 8:
        factor *= 2
    return factor


def reduced(image: Image.Image, factor: int) -> Image.Image:
    """Return an image of any mode with blocks of `factor` x `factor` pixels averaged.

    This works in strips, because Pillow copies an image with transparency before it averages.
    """
    if factor == 1:
        return image
    whole: Image.Image | None = None
    for top in range(0, image.height, factor * _ROWS_OF_STRIP):
        strip = image.crop((0, top, image.width, min(top + factor * _ROWS_OF_STRIP, image.height)))
        if strip.mode in ("P", "PA", "1"):
            strip = strip.convert("RGBA" if strip.has_transparency_data else "RGB")
        strip = strip.reduce(factor)
        if whole is None:
            whole = Image.new(strip.mode, (strip.width, -(-image.height // factor)))
        whole.paste(strip, (0, top // factor))
    assert whole is not None  # a picture has at least a row
    return whole


def tell_reduction(path: Path, stored: tuple[int, int], read: tuple[int, int]) -> None:
    """Notify the caller if a picture was read smaller than it is stored."""
    if stored != read:
        notify(
            f"{path}: {stored[0]} x {stored[1]} pixels, read at {read[0]} x {read[1]} to save "
            "memory"
        )
