"""Two-colour patterns in the local coordinates of a body part, so that they move with it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cpabmm_core.arrays import Floats
from cpabmm_core.puppets.colour import Colour

Pattern = Literal["plain", "rings", "stripes", "dots", "checks", "gradient", "patches"]


@dataclass(frozen=True)
class Texture:
    """A pattern of `second` over `first`; `period` is in body units."""

    first: Colour
    second: Colour
    pattern: Pattern = "plain"
    period: float = 0.08

    def coverage(
        self,
        along: Floats,  # (h, w) body units from the start of the part
        across: Floats,  # (h, w) body units from its axis
        pixel: float,
    ) -> Floats | None:
        """Return the share of each pixel that the second colour covers, or None for plain textures.

        Edges are anti-aliased over `pixel` body units, the width of one pixel.
        """
        match self.pattern:
            case "plain":
                return None
            case "rings":
                signed = _wave(along, self.period)
            case "stripes":
                signed = _wave(across, self.period)
            case "checks":
                first, second = _wave(along, self.period), _wave(across, self.period)
                signed = np.where(np.abs(first) < np.abs(second), first, second)
                signed = np.abs(signed) * np.sign(first * second)
            case "dots":
                row = np.floor(along / self.period)
                shift = 0.5 * self.period * (row % 2)
                u = along - (row + 0.5) * self.period
                v = (across + shift) % self.period - 0.5 * self.period
                signed = 0.3 * self.period - np.sqrt(u * u + v * v)
            case "gradient":
                return np.asarray(np.clip(along / (3.0 * self.period), 0.0, 1.0))
            case "patches":
                k = 2.2 / self.period
                bumps = np.sin(k * along + 1.3) * np.cos(0.8 * k * across + 0.4)
                bumps = bumps + 0.6 * np.sin(0.63 * k * (along + across) + 2.0)
                signed = (bumps - 0.35) / k
        return np.asarray(np.clip(signed / pixel + 0.5, 0.0, 1.0))


def _wave(position: Floats, period: float) -> Floats:
    """Return the signed distance to bands half a period wide, positive within the bands."""
    return np.asarray(0.25 * period - np.abs((position / period) % 1.0 - 0.5) * period)
