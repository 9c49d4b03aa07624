"""Colours specified in OKLCH, in which equal lightness looks equal at every hue."""

import numpy as np

Colour = tuple[float, float, float]

_LMS_FROM_LAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def oklch(lightness: float, chroma: float, hue: float) -> Colour:
    """Convert an OKLCH colour (hue in degrees) to sRGB in [0, 1], clipping to the gamut.

    See https://bottosson.github.io/posts/oklab/ for the matrices.
    """
    angle = np.deg2rad(hue)
    lab = np.array([lightness, chroma * np.cos(angle), chroma * np.sin(angle)])
    linear = np.clip(_RGB_FROM_LMS @ (_LMS_FROM_LAB @ lab) ** 3, 0.0, 1.0)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(float(value), 4) for value in curved)
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Interpolate linearly from `first` (share 0) to `second` (share 1)."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue
