"""Smoothing of keypoints over time with the one-euro filter.

Casiez, Roussel and Vogel, 1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems (CHI 2012). Slow movements are smoothed much, which removes jitter; fast ones
little, which keeps the lag small.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from cpabmm_core.errors import ConfigError, DataError, ShapeError
from cpabmm_core.geometry import local_affine

Number = TypeVar("Number", float, Tensor)

_FRAME_SECONDS = 1 / 25
"""Time between frames without timestamps, as for images."""
_STRONGEST = 0.4
"""Cutoff frequency at rest with smoothing 1, in Hz."""
_AT_HALF = 2.0
"""What is added to it with smoothing 0.5, in Hz."""
_SPEED_COEFFICIENT = 5.0
"""Increase of the cutoff frequency in Hz with a speed of half the frame's side per second."""
_SPEED_CUTOFF = 1.0
"""Cutoff frequency of the estimate of the speed in Hz, as in the paper."""


def check_smooth(smooth: float) -> None:
    """Check that a strength of smoothing is between 0 and 1.

    Raises:
        ConfigError: it is not.
    """
    if not 0 <= smooth <= 1:
        raise ConfigError(f"smooth: expected 0 (none) to 1 (strong), got {smooth:g}")


def smoothing_cutoff(smooth: float) -> float:
    """Return the cutoff frequency at rest for a strength of smoothing.

    It falls from infinity to 0.4 Hz: 18.4 Hz for 0.1, 2.4 Hz for 0.5 and 0.4 Hz for 1.

    Args:
        smooth: strength above 0, up to 1.

    Returns:
        The frequency in Hz. Vibrations above it are suppressed.

    Example:
        >>> smoothing_cutoff(0.5), smoothing_cutoff(1.0)
        (2.4, 0.4)
    """
    return _STRONGEST + _AT_HALF * (1 - smooth) / smooth


class OneEuroFilter:
    """A low-pass filter whose cutoff frequency rises with the speed.

    All numbers of a vector share one speed and so one cutoff frequency: the result does not depend
    on the axes.

    Example:
        >>> filter = OneEuroFilter(1.0)
        >>> filter.step(torch.tensor([0.0, 0.0]), 0.0).tolist()
        [0.0, 0.0]
        >>> filter.step(torch.tensor([0.1, 0.0]), 0.04)[0].item() < 0.05
        True
    """

    def __init__(
        self,
        cutoff: float,
        speed_coefficient: float | Tensor = _SPEED_COEFFICIENT,  # broadcasts over (..., 1)
    ) -> None:
        """Set the frequencies.

        Args:
            cutoff: cutoff frequency at rest in Hz ("mincutoff" in the paper).
            speed_coefficient: increase of the cutoff frequency per unit of speed ("beta").
        """
        self._cutoff = cutoff
        self._speed_coefficient = speed_coefficient
        self._filtered: Tensor | None = None
        self._velocity: Tensor | None = None
        self._time = -math.inf

    def step(
        self,
        values: Tensor,  # (..., D), vectors of D numbers
        time: float,
    ) -> Tensor:  # (..., D)
        """Filter the values of the next moment (Algorithm 1).

        Args:
            values: the values.
            time: the moment in seconds; later than the one before.

        Returns:
            The filtered values; the first ones are unchanged.
        """
        if self._filtered is None or self._velocity is None:
            self._filtered, self._velocity = values, torch.zeros_like(values)
        else:
            elapsed = time - self._time
            velocity = (values - self._filtered) / elapsed
            self._velocity = torch.lerp(
                self._velocity, velocity, _share_of_new(_SPEED_CUTOFF, elapsed)
            )
            speed = self._velocity.norm(dim=-1, keepdim=True)
            share = _share_of_new(self._cutoff + self._speed_coefficient * speed, elapsed)
            self._filtered = torch.lerp(self._filtered, values, share)
        self._time = time
        return self._filtered


def _share_of_new(cutoff: Number, elapsed: float) -> Number:
    """Return the weight of a new value in a low-pass filter (alpha in the paper)."""
    turned = 2 * math.pi * elapsed * cutoff
    return turned / (1 + turned)


class PoseSmoother:
    """Smooths poses over time, with one strength for all keypoints.

    Positions and jacobians have filters of their own. The speed of a jacobian counts relative to
    its first size, so that a turn counts the same for small and large keypoints.

    Example:
        >>> smoother = PoseSmoother(0.5)
        >>> smoother.step(torch.zeros(3, 10, 2), [0.0, 0.04, 0.08]).shape
        torch.Size([3, 10, 2])
    """

    def __init__(self, smooth: float, *, undirected: bool = False) -> None:
        """Set the strength.

        Args:
            smooth: 0 leaves poses as they are; 1 is the strongest.
            undirected: whether jacobians are axes without a direction; the direction nearest to the
                frame before is then filtered.

        Raises:
            ConfigError: `smooth` is outside [0, 1].
        """
        check_smooth(smooth)
        self._smooth, self._undirected = smooth, undirected
        self._time: float | None = None
        self._previous: Tensor | None = None
        if smooth:
            self._positions = OneEuroFilter(smoothing_cutoff(smooth))
            self._jacobians: OneEuroFilter | None = None

    def step(
        self,
        poses: Tensor,  # (B, N, 2 or 6)
        times: Sequence[float] | None = None,
    ) -> Tensor:  # (B, N, 2 or 6)
        """Smooth the next poses; the result does not depend on how they are split into batches.

        Args:
            poses: the poses, in order.
            times: their moments in seconds, rising; None for 25 per second.

        Returns:
            The smoothed poses; with strength 0 the same tensor.

        Raises:
            ShapeError: there is not one time per pose.
            DataError: a time is not later than the one before.
        """
        times = self._checked(times, len(poses))
        if not self._smooth or not len(poses):
            return poses
        smoothed = [self._step(pose, time) for pose, time in zip(poses, times, strict=True)]
        return torch.stack(smoothed)

    def _checked(self, times: Sequence[float] | None, count: int) -> Sequence[float]:
        """Return the times of the next poses after checking them, and keep the last."""
        if times is None:
            start = -_FRAME_SECONDS if self._time is None else self._time
            times = [start + _FRAME_SECONDS * number for number in range(1, count + 1)]
        if len(times) != count:
            raise ShapeError(f"times: expected one for each of the {count} poses, got {len(times)}")
        for time in times:
            if self._smooth and not (math.isfinite(time) and time > self._last_time):
                raise DataError(
                    f"times: expected rising seconds, got {time:g} after {self._last_time:g}; "
                    "pass the frames in the order of their times"
                )
            self._time = time
        return times

    @property
    def _last_time(self) -> float:
        return -math.inf if self._time is None else self._time

    def _step(
        self,
        pose: Tensor,  # (N, 2 or 6)
        time: float,
    ) -> Tensor:  # (N, 2 or 6)
        points = self._positions.step(local_affine.positions(pose), time)
        if not local_affine.have_jacobians(pose):
            return points
        if self._undirected and self._previous is not None:
            pose = local_affine.align_axes(pose, self._previous)
        self._previous = pose
        matrices = local_affine.jacobians(pose).flatten(-2)
        if self._jacobians is None:
            size = matrices.norm(dim=-1, keepdim=True)
            tiny = torch.finfo(size.dtype).eps
            self._jacobians = OneEuroFilter(
                smoothing_cutoff(self._smooth), _SPEED_COEFFICIENT / size.clamp(min=tiny)
            )
        smoothed = self._jacobians.step(matrices, time)
        return torch.cat((points, smoothed), dim=-1)
