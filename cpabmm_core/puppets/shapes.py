"""Filled shapes as signed distance fields, with local coordinates for texture and shading.

Positions are (x, y) in pixels, with pixel centres at integers and y pointing down. Distances are
negative inside a shape.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from cpabmm_core.arrays import Floats

Point = Floats
Box = tuple[float, float, float, float]
_TINY = 1e-6


class Field(NamedTuple):
    """Distance, texture coordinates and normal of a shape at each pixel; lengths in pixels."""

    distance: Floats
    along: Floats
    across: Floats
    normal_x: Floats
    normal_y: Floats


class Shape(Protocol):
    """A shape that a canvas can fill."""

    def bounds(self) -> Box:
        """Return left, top, right and bottom of a box around the shape."""
        ...

    def field(
        self,
        x: Floats,  # (1, w)
        y: Floats,  # (h, 1)
    ) -> Field:
        """Return the field on a grid."""
        ...


@dataclass(frozen=True)
class Capsule:
    """A limb: the convex region around two circles.

    `length` is the length of the limb before foreshortening. Textures are foreshortened likewise.
    """

    start: Point  # (2,)
    end: Point  # (2,)
    start_radius: float
    end_radius: float
    length: float | None = None

    def bounds(self) -> Box:
        """Return left, top, right and bottom of a box around the shape."""
        radius = max(self.start_radius, self.end_radius)
        low = np.minimum(self.start, self.end) - radius
        high = np.maximum(self.start, self.end) + radius
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def field(self, x: Floats, y: Floats) -> Field:
        """Return the field on a grid."""
        dx, dy = (float(value) for value in self.end - self.start)
        squared = max(dx * dx + dy * dy, _TINY)
        reach = squared**0.5
        px, py = x - float(self.start[0]), y - float(self.start[1])
        share = (px * dx + py * dy) / squared
        inner = np.clip(share, 0.0, 1.0)
        qx, qy = px - inner * dx, py - inner * dy
        radius = self.start_radius + inner * (self.end_radius - self.start_radius)
        distance = np.sqrt(qx * qx + qy * qy) - radius
        across = (px * dy - py * dx) / reach
        length = reach if self.length is None else self.length
        # The round ends and their texture are not foreshortened.
        along = inner * length + (share - inner) * reach
        return Field(distance, along, across, qx / radius, qy / radius)


@dataclass(frozen=True)
class Ellipse:
    """An ellipse whose axes are the unit vector `right` and its clockwise perpendicular.

    `cut` is a point and a unit vector. The half-plane beyond the point, in the direction of the
    vector, is removed.
    """

    centre: Point  # (2,)
    radius_x: float
    radius_y: float
    right: tuple[float, float] = (1.0, 0.0)
    cut: tuple[Point, Point] | None = None

    def bounds(self) -> Box:
        """Return left, top, right and bottom of a box around the shape."""
        cx, cy = float(self.centre[0]), float(self.centre[1])
        c, s = self.right
        half_x = float(np.hypot(self.radius_x * c, self.radius_y * s))
        half_y = float(np.hypot(self.radius_x * s, self.radius_y * c))
        return cx - half_x, cy - half_y, cx + half_x, cy + half_y

    def field(self, x: Floats, y: Floats) -> Field:
        """Return the field on a grid."""
        px, py = x - float(self.centre[0]), y - float(self.centre[1])
        c, s = self.right
        u, v = px * c + py * s, py * c - px * s
        nu, nv = u / self.radius_x, v / self.radius_y
        level = np.sqrt(nu * nu + nv * nv)
        slope = np.sqrt((nu / self.radius_x) ** 2 + (nv / self.radius_y) ** 2)
        # Both vanish at the centre, where their quotient tends to a radius.
        reach = (level + _TINY) / (slope + _TINY / min(self.radius_x, self.radius_y))
        distance = reach * (level - 1.0)
        if self.cut is not None:
            (ox, oy), (vx, vy) = self.cut
            side = (x - float(ox)) * float(vx) + (y - float(oy)) * float(vy)
            distance = np.maximum(distance, side)
        return Field(distance, v + self.radius_y, u, nu * c - nv * s, nu * s + nv * c)


@dataclass(frozen=True)
class Polygon:
    """A polygon with corners rounded by `radius`, textured along `down`."""

    corners: Point  # (N, 2)
    radius: float = 0.0
    down: tuple[float, float] = (0.0, 1.0)

    def bounds(self) -> Box:
        """Return left, top, right and bottom of a box around the shape."""
        low, high = self.corners.min(0) - self.radius, self.corners.max(0) + self.radius
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def field(self, x: Floats, y: Floats) -> Field:
        """Return the field on a grid."""
        nearest = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf, np.float32)
        inside = np.zeros(nearest.shape, bool)
        for first, second in zip(self.corners, np.roll(self.corners, -1, axis=0), strict=True):
            (ax, ay), (dx, dy) = first.tolist(), (second - first).tolist()
            px, py = x - ax, y - ay
            share = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, _TINY), 0.0, 1.0)
            nearest = np.minimum(nearest, (px - share * dx) ** 2 + (py - share * dy) ** 2)
            crosses = (py >= 0) != (y - ay - dy >= 0)
            inside ^= crosses & ((px * dy - py * dx < 0) != (dy < 0))
        distance = np.where(inside, -1.0, 1.0) * np.sqrt(nearest) - self.radius
        centre = self.corners.mean(0)
        qx, qy = x - float(centre[0]), y - float(centre[1])
        size = float(np.sqrt(((self.corners - centre) ** 2).sum(1)).max()) + self.radius
        vx, vy = self.down
        along = qx * vx + qy * vy + size
        return Field(distance, along, qx * vy - qy * vx, qx / size, qy / size)
