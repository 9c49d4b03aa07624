import json

import numpy as np
import pytest
from _helpers.simple_fields import affine_field, translation

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.pointsets import NumberFile, Transformation, Transformations, read_points

SPACE = VelocitySpace(Tessellation(2, 2))
POINTS = np.array([[0.1, 0.2], [0.5, 0.75]])
SHIFT = np.array([0.125, -0.25])
GROWTH = np.exp([0.5, -0.3])  # the flow of v = (x / 2, -0.3 y) for a unit of time


@pytest.fixture
def document() -> Transformations:
    thetas = {
        "shift": translation(SPACE, *SHIFT),
        "grow": affine_field(SPACE, (0.5, 0, 0), (0, -0.3, 0)),
    }
    return Transformations(
        cells=(2, 2),
        boundary="free",
        volume_preserving=False,
        transformations=[
            Transformation(name=name, theta=theta[0].tolist()) for name, theta in thetas.items()
        ],
    )


def test_points_follow_the_closed_form(document: Transformations) -> None:
    moved = document.moved_points(POINTS)
    np.testing.assert_allclose(moved.points, [POINTS + SHIFT, POINTS * GROWTH], atol=1e-9)
    back = document.moved_points(POINTS, inverse=True)
    np.testing.assert_allclose(back.points, [POINTS - SHIFT, POINTS / GROWTH], atol=1e-9)
    assert (moved.inverse, back.inverse) == (False, True)


def test_the_json_content_names_the_transformations(document: Transformations) -> None:
    content = document.moved_points(POINTS).content(".json")
    assert content.count(b"\n") == 1
    value = json.loads(content)
    assert (value["schema"], value["inverse"]) == (1, False)
    assert [entry["name"] for entry in value["transformations"]] == ["shift", "grow"]
    np.testing.assert_allclose(value["transformations"][0]["points"], POINTS + SHIFT, atol=1e-12)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".txt"])
def test_the_points_of_one_transformation_round_trip(
    document: Transformations, suffix: str
) -> None:
    one = document.model_copy(update={"transformations": document.transformations[:1]})
    content = one.moved_points(POINTS).content(suffix)
    back = read_points(NumberFile("points", suffix, content))
    np.testing.assert_allclose(back, POINTS + SHIFT, atol=1e-11)
