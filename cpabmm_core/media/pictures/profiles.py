"""ICC profiles and matrices of RGB colour spaces, from their primaries."""

import struct
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from cpabmm_core.arrays import Array

Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""The (x, y) chromaticities of red, green and blue; white is D65."""

BT709: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_ADOBE: Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PRIMARIES: Mapping[int, Primaries] = MappingProxyType(
    {
        1: BT709,
        9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
        12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    }
)
"""Primaries by their code in ITU-T H.273: BT.709, BT.2020 and Display P3."""
_D65, _D50 = (0.3127, 0.3290), (0.9642, 1.0, 0.8249)
_BRADFORD = np.array(
    [
        [0.8951, 0.2664, -0.1614],
        [-0.7502, 1.7135, 0.0367],
        [0.0389, -0.0685, 1.0296],
    ]
)


def to_xyz(primaries: Primaries) -> Array:
    """Return the (3, 3) matrix from linear RGB to XYZ, relative to D65."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, _white())


def srgb_curve(values: Array) -> Array:
    """Decode sRGB values in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=8)
def rgb_profile(primaries: Primaries, gamma: float | None = None) -> bytes:
    """Return an ICC profile of version 2 with the given primaries.

    Args:
        primaries: chromaticities of red, green and blue.
        gamma: exponent of the tone curve; None for the curve of sRGB.
    """
    adapted = _adaptation() @ to_xyz(primaries)
    tags = {b"wtpt": _xyz(_D50)}
    tags |= {b"rgb"[i : i + 1] + b"XYZ": _xyz(adapted[:, i]) for i in range(3)}
    tags |= {b"rgb"[i : i + 1] + b"TRC": _curve(gamma) for i in range(3)}
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">L", 4) + b"RGB\0" + b"\0" * 78
    tags[b"cprt"] = b"text\0\0\0\0none\0\0\0\0"
    offset, table, body = 132 + 12 * len(tags), struct.pack(">L", len(tags)), b""
    for name, tag in tags.items():
        table += name + struct.pack(">LL", offset + len(body), len(tag))
        body += tag + b"\0" * (-len(tag) % 4)
    illuminant = struct.pack(">3l", *(round(value * 65536) for value in _D50))
    header = struct.pack(">L4xL", offset + len(body), 0x02100000) + b"mntrRGB XYZ "
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + illuminant
    return header.ljust(128, b"\0") + table + body


def _white() -> Array:
    x, y = _D65
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation() -> Array:
    """Return the (3, 3) chromatic adaptation of XYZ from D65 to D50 (Bradford)."""
    scale = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ _white())
    return np.asarray(np.linalg.solve(_BRADFORD, scale[:, None] * _BRADFORD))


def _xyz(values: Array | tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3l", *(round(float(value) * 65536) for value in values))


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return b"curv\0\0\0\0" + struct.pack(">LH2x", 1, round(gamma * 256))
    table = np.rint(srgb_curve(np.linspace(0, 1, 1024)) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">L", len(table)) + table.tobytes()


ADOBE_RGB = rgb_profile(_ADOBE, 563 / 256)
"""Profile of Adobe RGB (1998)."""
