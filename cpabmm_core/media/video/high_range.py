"""Conversion of video with a high dynamic range (PQ or HLG) to the standard one.

Light is measured in units of the white of standard video, 203 cd/m² (ITU-R BT.2408). Up to three
quarters of it nothing changes; brighter light approaches white, with its hue kept.
"""

from functools import cache

import numpy as np
from av.video.frame import VideoFrame as AvFrame
from numpy.typing import NDArray

from cpabmm_core.arrays import Frame

_PQ, _HLG = 16, 18
HDR_TRANSFERS = (_PQ, _HLG)
"""FFmpeg's numbers of the transfer functions that this module converts."""

_BT2020 = 9
_WHITE = 203.0
"""cd/m²."""
_HLG_PEAK = 1000.0
"""cd/m² of the display that HLG is converted for (ITU-R BT.2100)."""
_KNEE = 0.75
"""The light up to which nothing changes, in units of white."""
_DARKEST = 1e-6
"""A light that is no longer visible, to divide by."""
_ROWS = 64
"""The number of rows that are converted at a time, to bound memory."""

# ITU-R BT.2087: linear light with the primaries of BT.2020 to those of BT.709.
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)  # of BT.2020


def is_wide_gamut(frame: AvFrame) -> bool:
    """Return whether the colours of a frame have the primaries of BT.2020."""
    return _BT2020 in (frame.color_primaries, frame.colorspace)


def to_standard_range(
    pixels: NDArray[np.uint16],  # (H, W, 3), RGB of 16 bits
    transfer: int,
    *,
    wide: bool,
) -> Frame:  # (H, W, 3)
    """Convert PQ or HLG to sRGB.

    Args:
        pixels: the frame.
        transfer: one of `HDR_TRANSFERS`.
        wide: whether its primaries are those of BT.2020.
    """
    shown = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        shown[rows] = _convert(pixels[rows], transfer, wide)
    return shown


def _convert(pixels: NDArray[np.uint16], transfer: int, wide: bool) -> Frame:
    light = _light_table(transfer)[pixels]
    if transfer == _HLG:
        scene = np.maximum(light @ _LUMINANCE, _DARKEST)
        light *= (_HLG_PEAK / _WHITE * scene**0.2)[..., None]
    if wide:
        light = np.maximum(light @ _TO_BT709.T, 0)
    brightest = np.maximum(light.max(axis=2, keepdims=True), _DARKEST)
    light *= _compress(brightest) / brightest
    return _encode_srgb(light)


@cache
def _light_table(transfer: int) -> NDArray[np.float32]:
    """Return the linear light of each 16-bit value: units of white for PQ, scene light for HLG."""
    signal = np.arange(65536) / 65535
    if transfer == _PQ:
        root = signal ** (32 / 2523)
        part = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
        return (part ** (16384 / 2610) * 10000 / _WHITE).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    dark, bright = signal**2 / 3, (np.exp((signal - c) / a) + b) / 12
    return np.where(signal <= 0.5, dark, bright).astype(np.float32)


def _compress(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bend light above the knee towards 1; value and slope are continuous there."""
    room = 1 - _KNEE
    above = np.maximum(light - _KNEE, 0)
    return np.where(above > 0, 1 - room * np.exp(-above / room), light).astype(np.float32)


def _encode_srgb(light: NDArray[np.float32]) -> Frame:
    linear = np.clip(light, 0, 1)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    signal = np.where(linear <= 0.0031308, 12.92 * linear, curved)
    encoded: Frame = np.rint(signal * 255).astype(np.uint8)
    return encoded
