"""A virtual camera that moves slowly over a scene."""

from dataclasses import dataclass

import numpy as np

from cpabmm_core.arrays import Floats


@dataclass(frozen=True)
class Camera:
    """Slow sinusoidal motion of a camera in x, y, zoom (logarithm) and roll (radians)."""

    sizes: Floats  # (4,) amplitudes
    rates: Floats  # (4,) radians per second
    starts: Floats  # (4,) phases at time 0, in radians

    def matrices(
        self,
        time: Floats,  # (F,) seconds
    ) -> Floats:
        """Return (F, 2, 3) affine maps from scene coordinates to the frame, which is [0, 1]^2."""
        waves = self.sizes * np.sin(time[:, None] * self.rates + self.starts)
        x, y, zoom, roll = waves.T
        scale = np.exp(zoom)
        matrix = np.empty((len(time), 2, 3))
        matrix[:, 0, 0] = matrix[:, 1, 1] = scale * np.cos(roll)
        matrix[:, 1, 0] = scale * np.sin(roll)
        matrix[:, 0, 1] = -matrix[:, 1, 0]
        matrix[:, 0, 2] = 0.5 + x - 0.5 * (matrix[:, 0, 0] + matrix[:, 0, 1])
        matrix[:, 1, 2] = 0.5 + y - 0.5 * (matrix[:, 1, 0] + matrix[:, 1, 1])
        return matrix


def sample_camera(rng: np.random.Generator) -> Camera:
    """Sample a camera that pans by a few hundredths of the frame and zooms and rolls slightly."""
    sizes = np.array([0.04, 0.025, 0.04, 0.03]) * rng.uniform(0.2, 1.0, 4)
    return Camera(sizes, 2 * np.pi / rng.uniform(2.5, 5.0, 4), rng.uniform(0, 2 * np.pi, 4))
