"""A decoded picture before orientation, colour and transparency are applied."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Picture:
    """The pixels of a picture, and what is needed to show them.

    Args:
        image: the pixels, 8 bits a sample, of mode 1, L, LA, P, PA, RGB, RGBA, CMYK or LAB.
        profile: ICC profile of the pixels; None means sRGB.
        orientation: EXIF orientation that is still to be applied, 1 to 8.
        stored_size: width and height in the file, before any reduction.
    """

    image: Image.Image
    profile: bytes | None = None
    orientation: int = 1
    stored_size: tuple[int, int] = (0, 0)
