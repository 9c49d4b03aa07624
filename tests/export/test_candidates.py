"""The manifest says enough to compute the candidate motions without the package."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.exported import example_program
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from numpy.typing import NDArray
from scipy.optimize import least_squares

from cpabmm_core.config import Config
from cpabmm_core.export.candidates import describe_candidates, space_tensors
from cpabmm_core.export.parity import candidate_flows
from cpabmm_core.models.animation_model import AnimationModel

Floats = NDArray[np.float64]

FAMILIES: dict[str, Callable[[], Config]] = {
    "cpab": tiny_config,
    "groups alone": lambda: tiny_config(**{"model.cpab.global_cells": None}),
    "border at rest": lambda: tiny_config(
        **{"model.cpab.boundary": "zero", "model.cpab.volume_preserving": True}
    ),
    "paper": lambda: tiny_config(**{"model.cpab.fit": "paper", "model.cpab.paper_iterations": 20}),
    "long prior": lambda: tiny_config(**{"model.cpab.length_scale": 1.0}),
    "few iterations": lambda: tiny_config(**{"model.cpab.iterations": 2}),
    "tps": lambda: tiny_config(**{"model.motion": "tps"}),
    "fomm": tiny_affine_config,
    "mraa": lambda: tiny_affine_config("pca"),
}


def poses_of(model: AnimationModel, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the keypoints of a random source, repeated, and of random driving frames."""
    pictures = torch.rand(count + 1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        points = model.keypoints(pictures)
    return points[:1].expand(count, -1, -1).contiguous(), points[1:]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_example_computes_the_candidates_of_the_model(family: str) -> None:
    model = tiny_model(FAMILIES[family]())
    source, poses = poses_of(model, 3)
    flows = example_program()["candidates"](
        source[:1].numpy(), poses.numpy(), describe_candidates(model)
    )
    expected = candidate_flows(model, source, poses)
    assert flows.shape == tuple(expected.shape)
    largest = max(1.0, float(expected.abs().max()))
    np.testing.assert_allclose(flows, expected.numpy(), atol=2e-4 * largest)


@pytest.mark.parametrize("place", ["groups", "global"])
@pytest.mark.parametrize("length_scale", [0.2, 1.0])
def test_the_stored_spaces_and_settings_determine_the_fit(place: str, length_scale: float) -> None:
    changes = {"model.cpab.iterations": 30, "model.cpab.length_scale": length_scale}
    model = tiny_model(tiny_config(**changes))
    settings = describe_candidates(model)
    tensors = {name: tensor.numpy() for name, tensor in space_tensors(model).items()}
    start = np.array([[0.3, 0.3], [0.7, 0.35], [0.5, 0.7], [0.4, 0.5], [0.6, 0.5], [0.5, 0.3]])
    end = start + np.array([[0.05, 0], [0, 0.04], [-0.04, 0], [0, -0.03], [0.03, 0.03], [0, 0.02]])
    source, poses = (torch.from_numpy(points * 2 - 1).float()[None] for points in (end, start))
    flows = candidate_flows(model, source, poses)[0]
    if place == "groups":
        flow, start, end = flows[1], start[:3], end[:3]
    else:
        flow = flows[-1]
    names = ("basis", "half_planes", "precision")
    space = {name: tensors[f"{place}.{name}"] for name in names}
    theta = fitted(space, start, end, settings["fit"]["noise"])
    rows, columns = (np.linspace(0, 1, length) for length in settings["size"])
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    moved = integrated(space, theta, grid) * 2 - 1
    np.testing.assert_allclose(moved, flow.reshape(-1, 2).numpy(), atol=1e-3)
    assert np.abs(moved - (grid * 2 - 1)).max() > 0.05


def fitted(space: dict[str, Floats], start: Floats, end: Floats, noise: float) -> Floats:
    """Minimise the sum of squared residuals plus noise sqrt(P) theta^T precision theta."""
    root = np.linalg.cholesky(space["precision"]).T * np.sqrt(noise * np.sqrt(len(start)))

    def residuals(theta: Floats) -> Floats:
        return np.concatenate(((integrated(space, theta, start) - end).ravel(), root @ theta))

    found: Floats = least_squares(residuals, np.zeros(len(root)), x_scale="jac").x
    return found


def integrated(space: dict[str, Floats], theta: Floats, points: Floats) -> Floats:
    """Follow the velocity field from time 0 to 1 in short steps of the midpoint rule."""
    maps = np.einsum("d,dcij->cij", theta, space["basis"])
    for before, after in pairwise(np.linspace(0, 1, 17)):
        half = points + (after - before) / 2 * velocities(space, maps, points)
        points = points + (after - before) * velocities(space, maps, half)
    return points


def velocities(space: dict[str, Floats], maps: Floats, points: Floats) -> Floats:
    columns = np.column_stack((points, np.ones(len(points))))
    inside = np.einsum("ckj,pj->pck", space["half_planes"], columns).min(axis=2)
    found: Floats = np.einsum("pij,pj->pi", maps[inside.argmax(axis=1)], columns)
    return found


def test_only_cpab_motion_has_spaces() -> None:
    for family, config in FAMILIES.items():
        model = tiny_model(config())
        names = set(space_tensors(model))
        described: dict[str, Any] = describe_candidates(model)
        assert ("file" in described) == bool(names), family
        assert any(name.endswith(".axes") for name in names) == (family == "paper")
