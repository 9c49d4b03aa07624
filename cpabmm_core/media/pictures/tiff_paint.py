"""From the samples of a TIFF page to an image of 8 bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.media.pictures.samples import to_8_bits, to_unit_range
from cpabmm_core.media.pictures.tiff_layout import Layout, UnreadLayoutError

_WHITE_IS_ZERO, _PALETTE, _INKS, _CIELAB, _ICCLAB = 0, 3, 5, 8, 9
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def paint(
    samples: NDArray[Any],  # (H, W, S)
    layout: Layout,
    white: float,
) -> Image.Image:
    """Convert samples to an image of mode L, LA, RGB, RGBA, CMYK or LAB.

    Args:
        samples: the samples of some rows.
        layout: how the page stores its pixels.
        white: sample value of full intensity.
    """
    colours = samples[..., : layout.colours]
    if layout.photometric in (_CIELAB, _ICCLAB):
        return _image(_lab_bytes(colours, layout), "LAB")
    if layout.photometric == _PALETTE:
        shown = _from_palette(colours[..., 0], layout)
    elif layout.premultiplied and layout.alpha is not None:
        shown = _divided(colours, samples[..., layout.alpha, None], white)
    else:
        shown = _scaled(colours, white)
    if layout.photometric == _INKS:
        return _image(shown, "CMYK")
    if layout.photometric == _WHITE_IS_ZERO:
        shown = 255 - shown
    if layout.alpha is not None:
        shown = np.dstack([shown, _scaled(samples[..., layout.alpha], white)])
    return _image(shown, _MODES[shown.shape[2]])


def _scaled(values: NDArray[Any], white: float) -> NDArray[np.uint8]:
    if values.dtype == np.uint8 and white == 255:
        return values
    if values.dtype == np.uint16 and white == 65535:
        return to_8_bits(values)
    return np.rint(to_unit_range(values, white) * 255).astype(np.uint8)


def _divided(colours: NDArray[Any], alpha: NDArray[Any], white: float) -> NDArray[np.uint8]:
    """Divide colours by the alpha that they were multiplied with."""
    share = to_unit_range(alpha, white)
    whole = to_unit_range(colours, white) / np.where(share > 0, share, 1)
    return np.rint(np.clip(whole, 0, 1) * 255).astype(np.uint8)


def _from_palette(indices: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    palette: NDArray[Any] | None = layout.palette
    if palette is None or palette.ndim != 2:
        raise UnreadLayoutError("with a palette that is missing or malformed")
    if palette.max() > 255:  # some programs store 8 bits where 16 are due
        palette = palette >> 8  # exact for multiples of 257 and of 256, which are both common
    colours = palette.astype(np.uint8).T
    shown: NDArray[np.uint8] = np.take(colours, np.minimum(indices, len(colours) - 1), axis=0)
    return shown


def _lab_bytes(values: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    """Return L in [0, 255], and a and b as the bytes of signed numbers."""
    if layout.dtype.kind not in "iu" or layout.bits not in (8, 16):
        raise UnreadLayoutError(f"of Lab with {layout.bits} bits")
    whole = values.astype(np.uint16 if layout.bits == 16 else np.uint8)
    signed = layout.photometric == _CIELAB
    if layout.bits == 16:
        top = 65535 if signed else 65280
        lightness = np.clip(np.rint(np.multiply(whole[..., :1], 255 / top)), 0, 255)
        chroma = np.right_shift(whole[..., 1:], 8)
    else:
        lightness, chroma = whole[..., :1], whole[..., 1:]
    chroma = chroma if signed else chroma ^ 128
    return np.concatenate([lightness, chroma], axis=2).astype(np.uint8)


def _image(values: NDArray[np.uint8], mode: str) -> Image.Image:
    size = values.shape[1], values.shape[0]
    return Image.frombytes(mode, size, np.ascontiguousarray(values).tobytes())
