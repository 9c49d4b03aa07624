"""From a decoded picture to the array that a viewer would show."""

import numpy as np
from PIL import Image

from cpabmm_core.arrays import Frame
from cpabmm_core.media.pictures.picture import Picture
from cpabmm_core.media.pictures.srgb import to_srgb

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def to_frame(picture: Picture, *, alpha: bool = False) -> Frame:
    """Apply orientation and colour profile, and composite transparency onto white.

    Args:
        picture: the decoded picture.
        alpha: whether to keep the transparency of a picture that has some.

    Returns:
        (H, W, 3) uint8 RGB, or with `alpha` and transparency (H, W, 4) uint8 RGBA, not
        premultiplied.
    """
    image = picture.image
    if picture.orientation in _TURNS:
        image = image.transpose(_TURNS[picture.orientation])
    image = to_srgb(image, picture.profile)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if alpha:
            return np.array(image)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
