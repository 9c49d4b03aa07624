"""Files of the points that transformations have moved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cpabmm_core.arrays import Array
from cpabmm_core.pointsets.points import format_points

_SCHEMA = 1


@dataclass(frozen=True, eq=False)
class MovedPoints:
    """One set of points moved by N transformations.

    Example:
        >>> import numpy as np
        >>> moved = MovedPoints(["shift"], np.array([[[0.5, 0.25]]]), inverse=False)
        >>> moved.document()["transformations"]
        [{'name': 'shift', 'points': [[0.5, 0.25]]}]
        >>> moved.content(".txt").decode().split()
        ['0.5', '0.25']
    """

    names: Sequence[str]
    """Names of the transformations."""
    points: Array
    """(N, P, 2) moved points in the unit square."""
    inverse: bool
    """Whether the inverse transformations moved them."""

    def document(self) -> dict[str, Any]:
        """Return the points as a JSON object, without a schema version."""
        pairs = zip(self.names, self.points.tolist(), strict=True)
        entries = [{"name": name, "points": points} for name, points in pairs]
        return {"inverse": self.inverse, "transformations": entries}

    def content(self, suffix: str) -> bytes:
        """Return the content of a file.

        Args:
            suffix: ``.json``, ``.csv``, ``.npz`` or ``.txt``.

        Returns:
            The document as one line of JSON, or the content that `format_points` describes.
        """
        if suffix != ".json":
            return format_points(self.names, self.points, suffix)
        document = {"schema": _SCHEMA, **self.document()}
        return f"{json.dumps(document, allow_nan=False, ensure_ascii=False)}\n".encode()
