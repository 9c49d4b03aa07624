from dataclasses import replace

import numpy as np
import pytest
import torch
from _helpers.tiny_model import tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.dense_motion import Motion
from cpabmm_core.models.pair_reconstruction import PairReconstruction, reconstruct_pair
from cpabmm_core.training.panels import render_panel

SIDE, GAP, BELOW = 160, 2, 10
STEP = SIDE + GAP
WIDTH = 6 * STEP - GAP
RED, GREEN, BLUE = (torch.tensor(rgb) for rgb in ((0.8, 0, 0), (0, 0.6, 0.2), (0, 0.7, 0.2)))


def plain(colour: Tensor, batch: int, side: int = SIDE) -> Tensor:
    return colour.view(1, 3, 1, 1).expand(batch, 3, side, side).clone()


def pair_of(batch: int = 1, side: int = SIDE, candidates: int = 3) -> PairReconstruction:
    """Return blue generated frames without motion; only the first candidate contributes."""
    flow = identity_grid(side // 4, side // 4).expand(batch, -1, -1, -1)
    maps = torch.zeros(batch, candidates, side // 4, side // 4)
    maps[:, 0] = 1
    small = plain(RED, batch, side // 4)[:, None].expand(-1, candidates, -1, -1, -1)
    occlusion = [torch.full((batch, 1, size, size), 0.25) for size in (side // 2, side)]
    points = torch.full((batch, 6, 2), -0.75)
    motion = Motion(flow, maps, occlusion, small)
    return PairReconstruction(plain(BLUE, batch, side), motion, points, points, None, [])


def render(pair: PairReconstruction, batch: int = 1, side: int = SIDE) -> np.ndarray:
    return render_panel(plain(RED, batch, side), plain(GREEN, batch, side), pair, groups=2)


def as_bytes(colour: Tensor) -> list[int]:
    values: list[int] = (colour * 255).round().int().tolist()
    return values


def test_images_have_the_documented_order() -> None:
    picture = render(pair_of())
    assert picture.shape[1] == WIDTH
    occlusion, error = torch.full((3,), 0.25), (BLUE - GREEN).abs() * 4
    expected = (RED, GREEN, RED, occlusion, BLUE, error)
    for column, colour in enumerate(expected):
        cell = picture[SIDE // 2 : SIDE, column * STEP : column * STEP + SIDE]
        assert np.abs(cell.astype(int) - as_bytes(colour)).max() <= 1, column


def test_keypoints_are_marked_at_their_positions() -> None:
    pair = pair_of()
    picture = render(replace(pair, kp_driving=-pair.kp_source)).astype(int)
    near, far = round(0.125 * (SIDE - 1)), round(0.875 * (SIDE - 1))
    for column, colour, at in ((0, RED, near), (1, GREEN, far)):
        cell = picture[:SIDE, column * STEP : column * STEP + SIDE]
        marked = np.argwhere(np.abs(cell - as_bytes(colour)).max(2) > 60)
        assert len(marked) > 10
        assert np.abs(marked - at).max() <= 4


def test_third_image_is_the_warped_source() -> None:
    pair = pair_of()
    source = plain(RED, 1)
    source[:, :, :, SIDE // 2 :] = GREEN.view(3, 1, 1)
    flow = pair.motion.deformation * torch.tensor([-1.0, 1.0])  # mirrored
    moved = replace(pair, motion=replace(pair.motion, deformation=flow))
    picture = render_panel(source, plain(BLUE, 1), moved, groups=2)[:SIDE]
    start, mirrored = (picture[SIDE // 2 :, k * STEP : k * STEP + SIDE] for k in (0, 2))
    inner = np.s_[:, 4:-4]
    np.testing.assert_array_equal(mirrored[inner], start[:, ::-1][inner])


def test_candidates_are_coloured_only_where_they_contribute() -> None:
    pair = pair_of()
    maps = pair.motion.contribution_maps.clone()
    half = maps.shape[3] // 2
    maps[:, 0, :, half:], maps[:, 2, :, half:] = 0, 1
    picture = render(replace(pair, motion=replace(pair.motion, contribution_maps=maps)))
    strip = picture[SIDE + GAP : 2 * SIDE + GAP].astype(int)
    middle, side = SIDE // 2, 8  # away from the blended border
    coloured = [
        [
            np.abs(strip[middle, k * STEP + x] - as_bytes(RED)).max() <= 1
            for x in (middle - side, middle + side)
        ]
        for k in range(3)
    ]
    assert coloured == [[True, False], [False, False], [False, True]]
    for k, x in ((0, middle + side), (1, middle - side), (2, middle - side)):
        assert np.ptp(strip[middle, k * STEP + x]) == 0  # grey


def test_each_candidate_shows_its_own_image() -> None:
    pair = pair_of()
    images = torch.stack([RED, GREEN, BLUE]).view(1, 3, 3, 1, 1).expand(1, 3, 3, 40, 40)
    everywhere = torch.ones(1, 3, 40, 40)
    motion = replace(pair.motion, deformed_sources=images, contribution_maps=everywhere)
    strip = render(replace(pair, motion=motion))[SIDE + GAP :]
    for k, colour in enumerate((RED, GREEN, BLUE)):
        assert strip[SIDE // 2, k * STEP + SIDE // 2].tolist() == as_bytes(colour)


@pytest.mark.parametrize(("candidates", "side"), [(3, 160), (6, 160), (12, 79), (20, 46)])
def test_candidates_are_never_wider_than_the_row_above(candidates: int, side: int) -> None:
    picture = render(pair_of(candidates=candidates))
    assert picture.shape == (SIDE + GAP + side + BELOW, WIDTH, 3)


def test_small_frames_are_enlarged_and_four_pairs_shown() -> None:
    picture = render(pair_of(batch=6, side=64), batch=6, side=64)
    side = 3 * 64
    width = 6 * (side + GAP) - GAP
    assert picture.shape == (4 * (side + GAP + side + BELOW), width, 3)


def test_pair_in_16_bits_can_be_rendered() -> None:
    model = tiny_model(tiny_config()).train()
    source, driving = torch.rand(2, 3, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        pair = reconstruct_pair(model, source, driving)
    assert pair.generated.requires_grad
    picture = render_panel(source, driving, pair, groups=2)
    assert picture.dtype == np.uint8
    assert picture.shape == (3 * (SIDE + GAP + SIDE + BELOW), WIDTH, 3)
