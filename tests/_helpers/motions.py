"""Driving motions for tests."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from cpabmm_core.inference import DrivingMotion


def driving_motion(frames: int = 4, *, numbers: int = 2, **changes: Any) -> DrivingMotion:  # noqa: ANN401
    """Return a motion of 5 keypoints with uneven times, of a model that does not exist."""
    generator = torch.Generator().manual_seed(0)
    pts = torch.randint(1, 5, (frames,), generator=generator).cumsum(0) - 1
    values: dict[str, Any] = {
        "keypoints": torch.rand(frames, 5, numbers, generator=generator) * 2 - 1,
        "pts": pts.tolist(),
        "durations": [*pts.diff().tolist(), 0],
        "time_base": Fraction(1, 12800),
        "frame_rate": Fraction(30000, 1001),
        "model": "0123456789abcdef" * 4,
    }
    return DrivingMotion(**{**values, **changes})


def load_motion(path: Path) -> DrivingMotion:
    """Read a motion file; a function for `BoundedReading`."""
    return DrivingMotion.load(path)
