"""Pictures whose colour is stated by the code points of ITU-T H.273 (`cICP`, `nclx`).

Pictures of high dynamic range (PQ, HLG) are shown as on a display of standard range: reference
white of 203 cd/m2 (ITU-R BT.2408) becomes white, and brighter light is clipped.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.media.pictures.profiles import BT709, PRIMARIES, rgb_profile, to_xyz
from cpabmm_core.media.pictures.samples import to_8_bits
from cpabmm_core.media.pictures.srgb import to_srgb

_PQ, _HLG, _LINEAR = 16, 18, 8
_GAMMAS = {4: 2.2, 5: 2.8, _LINEAR: 1.0}
_REFERENCE_WHITE = 203.0
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
_ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class CodedColour:
    """Code points of ITU-T H.273.

    Args:
        primaries: 1 for BT.709, 9 for BT.2020, 12 for Display P3.
        transfer: 13 for sRGB, 16 for PQ, 18 for HLG.
    """

    primaries: int
    transfer: int

    @property
    def profile(self) -> bytes | None:
        """ICC profile of a picture of standard range; None where it is sRGB, or unknown."""
        gamma = _GAMMAS.get(self.transfer)
        if self.is_hdr or self.primaries not in PRIMARIES:
            return None
        if self.primaries == 1 and gamma is None:
            return None
        return rgb_profile(PRIMARIES[self.primaries], gamma)

    @property
    def is_hdr(self) -> bool:
        """Whether the picture has high dynamic range."""
        return self.transfer in (_PQ, _HLG)


def colour_managed(
    pixels: NDArray[Any],  # (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16
    colour: CodedColour,
) -> NDArray[np.uint8]:
    """Convert coded RGB to sRGB of 8 bits; transparency stays, and grey stays grey unless HDR."""
    if not colour.is_hdr:
        shown = to_8_bits(pixels)
        if colour.profile is None:
            return shown
        return np.asarray(to_srgb(Image.fromarray(shown), colour.profile))
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    height, width = pixels.shape[:2]
    result = np.empty(pixels.shape, dtype=np.uint8)
    result[..., 3:] = to_8_bits(pixels[..., 3:])
    rows = max(1, _ROWS_AT_ONCE // width)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        result[part, :, :3] = _standard_range(pixels[part, :, :3], colour)
    return result


def _standard_range(
    pixels: NDArray[Any],  # (H, W, 3)
    colour: CodedColour,
) -> NDArray[np.uint8]:
    """Convert PQ or HLG to sRGB, relative to reference white."""
    signal = np.linspace(0, 1, np.iinfo(pixels.dtype).max + 1)
    decode = _pq_light if colour.transfer == _PQ else _hlg_scene_light
    light = decode(signal).astype(np.float32)[pixels]
    to_light = to_xyz(PRIMARIES.get(colour.primaries, BT709))
    if colour.transfer == _HLG:
        luminance = np.maximum(light @ to_light[1].astype(np.float32), 1e-6)
        light *= (luminance ** (_HLG_GAMMA - 1) * _HLG_PEAK)[..., None]
    matrix = np.linalg.solve(to_xyz(BT709), to_light) / _REFERENCE_WHITE
    linear = np.clip(light @ matrix.T.astype(np.float32), 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    shown: NDArray[np.uint8] = np.rint(coded * 255).astype(np.uint8)
    return shown


def _pq_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decode PQ to cd/m2 (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = signal ** (1 / m2)
    return np.asarray(10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg_scene_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decode HLG to scene light in [0, 1] (ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
