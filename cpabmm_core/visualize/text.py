"""Short texts on pictures."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cpabmm_core.visualize.canvas import Colour, Picture

_LETTERS = 0.68  # height of letters with ascenders and descenders, as a share of the line's


def text_line(
    text: str,
    width: int,
    height: int,
    *,
    colour: Colour = (40, 40, 40),
    background: Colour = (255, 255, 255),
) -> Picture:  # (height, width, 3)
    """Render one line of centred text; a text that is too wide is set smaller.

    Args:
        text: Latin letters, digits and punctuation.
        width: width of the picture in pixels.
        height: height of the picture in pixels; the letters are a little smaller.
        colour: colour of the text.
        background: colour of the picture.

    Returns:
        The picture.

    Example:
        >>> picture = text_line("Flow", 60, 18)
        >>> picture.shape, bool(picture.min() < 100)
        ((18, 60, 3), True)
    """
    line = Image.new("RGB", (width, height), background)
    size = _LETTERS * height
    if (needed := _font(size).getlength(text)) > width:
        size *= width / needed
    place = (width / 2, height / 2)
    ImageDraw.Draw(line).text(place, text, fill=colour, font=_font(size), anchor="mm")
    return np.array(line)


@lru_cache(maxsize=64)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that comes with Pillow."""
    return ImageFont.load_default(max(size, 1))
