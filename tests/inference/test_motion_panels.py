"""Panels of motions that are known in closed form."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.geometry import identity_grid
from cpabmm_core.inference.motion_panels import (
    contribution_legend,
    contribution_panel,
    flow_panel,
    keypoint_panel,
    occlusion_panel,
    warped_panel,
)
from cpabmm_core.models import Motion
from cpabmm_core.visualize import candidate_colours, plot_flow

SIDE = 64
WHITE = np.full((SIDE, SIDE, 3), 255, np.uint8)


def motion(flow: Tensor | None = None, *, contributions: Tensor | None = None) -> Motion:
    rest = identity_grid(8, 8)[None]
    weights = torch.ones(1, 1, 8, 8) if contributions is None else contributions
    visible = [torch.full((1, 1, 16, 16), 0.5)]
    return Motion(rest if flow is None else flow, weights, visible, torch.zeros(1, 1, 3, 8, 8))


def picture(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def test_at_rest_the_flow_is_white_and_the_source_unchanged() -> None:
    panel = flow_panel(motion(), WHITE, SIDE)
    assert (panel[:40, :40] == 255).all()
    np.testing.assert_allclose(warped_panel(picture(), motion(), SIDE), picture(), atol=1)


@pytest.mark.parametrize("shift", [(0.2, 0.0), (-0.1, 0.3)])
def test_the_flow_shows_where_parts_have_moved_to(shift: tuple[float, float]) -> None:
    """A backward map that looks up x - d has moved everything by d."""
    moved = motion(identity_grid(8, 8)[None] - torch.tensor(shift))
    panel = flow_panel(moved, WHITE, SIDE)
    expected = plot_flow(np.array([[shift]]), 0.5)[0, 0]
    np.testing.assert_allclose(panel[:40, :40], np.broadcast_to(expected, (40, 40, 3)), atol=4)
    right = round(shift[0] * (SIDE - 1) / 2), round(shift[1] * (SIDE - 1) / 2)
    warped = warped_panel(WHITE // 2, moved, SIDE)
    column = 0 if right[0] > 0 else -1  # what has moved away leaves black behind
    assert warped[SIDE // 2, column].max() < 64
    assert warped[SIDE // 2, SIDE // 2].min() > 120


def test_the_legend_of_the_flow_lies_in_the_corner() -> None:
    panel = flow_panel(motion(), WHITE, SIDE)
    corner = panel[-16:, -16:].reshape(-1, 3)
    assert len(np.unique(corner, axis=0)) > 50


def test_the_flow_is_darker_where_the_picture_is() -> None:
    image = WHITE.copy()
    image[:20] = 0
    panel = flow_panel(motion(), image, SIDE)
    assert panel[:18, :40].max() < 200
    assert (panel[24:40, :40] == 255).all()


def test_contributions_have_the_colours_of_the_candidates() -> None:
    weights = torch.zeros(1, 4, 8, 8)
    weights[:, 0, :, :4] = 1
    weights[:, 2, :, 4:] = 1
    panel = contribution_panel(motion(contributions=weights), WHITE, 2, SIDE).astype(float)
    colours = np.array(candidate_colours(4, 2), float)
    for index, column in ((0, 5), (2, SIDE - 5)):
        np.testing.assert_allclose(panel[30, column], 0.65 * colours[index] + 0.35 * 255, atol=1)


@pytest.mark.parametrize(("candidates", "groups"), [(12, 10), (3, 2), (17, None), (51, 50), (1, 1)])
@pytest.mark.parametrize("width", [192, 256])
def test_the_legend_shows_every_candidate(candidates: int, groups: int | None, width: int) -> None:
    legend = contribution_legend(candidates, groups, width, 20)
    assert legend.shape == (20, width, 3)
    found = {tuple(colour) for colour in legend[0]}
    assert set(candidate_colours(candidates, groups)) <= found


def test_visible_parts_are_white_and_hidden_ones_black() -> None:
    visible = torch.zeros(1, 1, 16, 16)
    visible[..., :8] = 1
    rest = motion()
    known = Motion(rest.deformation, rest.contribution_maps, [visible], rest.deformed_sources)
    panel = occlusion_panel(known, SIDE)
    assert (panel[10, 4:20] == 255).all()
    assert (panel[10, -20:-4] == 0).all()
    assert 0 < panel[0, 0, 0] < 255  # the outline


@pytest.mark.parametrize("numbers", [2, 6])
@pytest.mark.parametrize("blank", [False, True])
def test_keypoints_are_dots_with_or_without_a_picture(numbers: int, blank: bool) -> None:
    keypoints = torch.zeros(2, numbers)
    keypoints[0, 0] = keypoints[0, 1] = 0.5
    keypoints[1, 0] = -0.5
    panel = keypoint_panel(None if blank else WHITE[::2, ::2], keypoints, 2, 128)
    assert panel.shape == (128, 128, 3)
    colours = candidate_colours(3, 2)
    for index, (x, y) in enumerate(((0.5, 0.5), (-0.5, 0.0))):
        column, row = round((x + 1) / 2 * 127), round((y + 1) / 2 * 127)
        assert tuple(panel[row, column]) == colours[index + 1]
    corner = panel[-1, -1]
    assert corner.max() < 64 if blank else corner.min() == 255


def test_precision_and_convention_of_the_motion_do_not_matter() -> None:
    rest = motion()
    half = Motion(
        rest.deformation.bfloat16(),
        rest.contribution_maps.bfloat16(),
        [level.bfloat16() for level in rest.occlusion_maps],
        rest.deformed_sources,
        align_corners=False,
    )
    for panel in (
        flow_panel(half, WHITE, SIDE),
        contribution_panel(half, WHITE, None, SIDE),
        occlusion_panel(half, SIDE),
        warped_panel(WHITE, half, SIDE),
    ):
        assert panel.shape == (SIDE, SIDE, 3)
