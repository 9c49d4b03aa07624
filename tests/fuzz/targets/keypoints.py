"""Readers of keypoint files: point pairs, points, weights, transformations, precomputed values."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.oracle import Action, BrokenPromiseError, Target

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.metrics.extractors.precomputed import read_precomputed
from cpabmm_core.pointsets.fits import fit_pairs
from cpabmm_core.pointsets.number_files import number_file
from cpabmm_core.pointsets.pair_formats import PAIR_SUFFIXES
from cpabmm_core.pointsets.point_pairs import (
    PointPairs,
    read_point_pairs,
    read_weights,
    stack_pairs,
)
from cpabmm_core.pointsets.points import read_points
from cpabmm_core.pointsets.transformations import read_transformations

_SUFFIXES = (".json", ".csv", ".npz", ".npy", ".txt")
_MOST_FITTED = 200


def _actions(path: Path, scratch: Path) -> Mapping[str, Action]:
    return {
        "read_point_pairs": lambda: [_check_pairs(each) for each in read_point_pairs(path)],
        "read_points": lambda: _check_finite(read_points(path)),
        "read_weights": lambda: read_weights(path),
        "read_transformations": lambda: _move(path),
        "piped pairs": lambda: read_point_pairs(
            number_file(path.read_bytes(), path.name, PAIR_SUFFIXES)
        ),
        "fit_pairs": lambda: _fit(path),
        "read_precomputed keypoints": lambda: _precomputed(path, "keypoints"),
        "read_precomputed identity": lambda: _precomputed(path, "identity"),
    }


def _check_finite(points: Any) -> Any:  # noqa: ANN401
    if points.dtype != np.float64 or not np.isfinite(points).all():
        raise BrokenPromiseError(
            f"{points.dtype}, {np.count_nonzero(~np.isfinite(points))} not finite"
        )
    return points


def _check_pairs(pairs: PointPairs) -> PointPairs:
    counting = pairs.counting()
    _check_finite(counting.source)
    _check_finite(counting.target)
    if not len(counting.weights) or not np.isfinite(pairs.weights).all() or pairs.weights.min() < 0:
        raise BrokenPromiseError("weights that cannot count")
    return pairs


def _move(path: Path) -> None:
    document = read_transformations(path)
    if max(document.cells) <= 4:
        moved = document.move(np.array([[0.5, 0.5]]))
        if moved.shape != (len(document.names), 1, 2):
            raise BrokenPromiseError(f"moved points of shape {moved.shape}")


def _fit(path: Path) -> None:
    sets = read_point_pairs(path)
    if stack_pairs(sets).weights.size > _MOST_FITTED:
        return
    document = fit_pairs(VelocitySpace(Tessellation(1, 1)), sets)
    document.to_json().encode()
    for fitted in document.transformations:
        _check_finite(np.array([fitted.theta]))


def _precomputed(path: Path, kind: Any) -> None:  # noqa: ANN401
    values = read_precomputed(path, kind).values("real", "a", 2)
    if np.isinf(values).any() or values.dtype != np.float64:
        raise BrokenPromiseError("precomputed values that are not usable")


def _write_seeds(folder: Path) -> None:
    points = [[0.25, 0.5], [0.5, 0.75], [0.75, 0.125]]
    pairs = {"source": points, "target": points[::-1], "weights": [1, 0.5, 0], "name": "face"}
    transformation = {"name": "a", "theta": [0.1] * 10, "residual": {"mean": 0.1, "max": 0.2}}
    document = {
        "schema": 1, "cells": [1, 1], "boundary": "free", "volume_preserving": False,
        "solver": "gauss-newton", "huber": None, "transformations": [transformation],
    }  # fmt: skip
    for name, value in (
        ("pairs", pairs),
        ("sets", [pairs, {**pairs, "name": "body", "weights": None}]),
        ("points", points),
        ("named", {"points": points}),
        ("weights", [1, 2, 0.5]),
        ("document", document),
    ):
        (folder / f"{name}.json").write_text(json.dumps(value))
    head = "source_x,source_y,target_x,target_y"
    (folder / "pairs.csv").write_text(f"{head}\n0.1,0.2,0.3,0.4\n0.5,0.5,,0.5\n")
    (folder / "sets.csv").write_text(f"pair,{head},weight\na,0.1,0.2,0.3,0.4,1\nb,.5,.5,.5,.5,2\n")
    (folder / "semicolon.csv").write_text(f"{head};\n0,1;0,2;0,3;0,4\n".replace(",", ";", 3))
    (folder / "quoted.csv").write_text('"x","y"\n"0.1","0.2"\n')
    (folder / "bare.csv").write_text("0.1,0.2\n0.3 0.4\n")
    (folder / "points.txt").write_text("0.1 0.2\n\n0.3,0.4\n")
    (folder / "keypoints.csv").write_text(
        "set,video,frame,joint,x,y\nreal,a,0,0,1,2\nreal,a,1,0,-1,-1\ngenerated,a,0,0,,\n"
    )
    (folder / "identity.csv").write_text("set,video,frame,e0,e1\nreal,a,0,1,2\nreal,a,1,nan,nan\n")
    _write_archives(folder, np.array(points))


def _write_archives(folder: Path, points: Any) -> None:  # noqa: ANN401
    np.savez(folder / "pairs.npz", source=points, target=points, weights=np.ones(3))
    np.savez(folder / "sets.npz", source=points[None], target=points[None], names=np.array(["a"]))
    np.savez_compressed(folder / "points.npz", points=points.astype(np.float16))
    np.savez(
        folder / "keypoints.npz",
        **{"real/a": points[None].repeat(2, 0), "generated/a": points[None]},
    )
    np.savez(folder / "identity.npz", **{"real/a": points[:2]})
    np.save(folder / "weights.npy", np.arange(3))
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "objects.npy").write_bytes(objects.getvalue())
    np.save(folder / "record.npy", np.zeros(2, dtype=[("x", "f4"), ("y", "U3")]))


TARGET = Target(name="keypoints", suffixes=_SUFFIXES, write_seeds=_write_seeds, actions=_actions)
