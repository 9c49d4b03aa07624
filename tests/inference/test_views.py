"""Views: what they show, where, and that their size is even and constant."""

from functools import partial

import numpy as np
import pytest
import torch
from _helpers.moving_square import moving_square
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model

from cpabmm_core.arrays import Frame
from cpabmm_core.config import Config
from cpabmm_core.inference import (
    AnimatedFrame,
    AnimationStream,
    EncodedSource,
    Finish,
    Framing,
    InferenceModel,
    PoseTransfer,
    Region,
    View,
    compare_view,
    frame_region,
    paste_back,
    result,
    visual_view,
)
from cpabmm_core.models import AnimationModel

DRIVING = moving_square(3, height=50, width=60)
GAP = 4


def source_picture(size: int) -> Frame:
    return moving_square(1, height=size, width=size, left=size // 3)[0]


def animated(
    model: AnimationModel,
    source: Frame,
    view: View,
    *,
    finish: Finish = lambda square: square,
    driving: Framing | None = None,
    poses_only: bool = False,
) -> list[Frame]:
    """Return the frames of an animation by `DRIVING`."""
    inference_model = InferenceModel(model, batch_size=2)
    encoded = EncodedSource.from_squares(inference_model, [source])
    poses = PoseTransfer.for_model(model, encoded.keypoints)
    stream = AnimationStream(
        inference_model, encoded, poses, view=view, driving=driving, finish=finish
    )
    out = []
    for frame in DRIVING:
        if poses_only:
            with torch.no_grad():
                out += stream.push_pose(model.keypoints(inference_model.to_input([frame])))
        else:
            out += stream.push(frame)
    return out + stream.flush()


def test_the_result_alone_is_the_frame_itself() -> None:
    model = tiny_model()
    seen: list[AnimatedFrame] = []

    def remember(frame: AnimatedFrame) -> Frame:
        seen.append(frame)
        return result(frame)

    for shown, frame in zip(animated(model, source_picture(40), remember), seen, strict=True):
        assert shown is frame.image


@pytest.mark.parametrize("size", [31, 40, 97])
def test_a_comparison_shows_source_driving_frame_and_result(size: int) -> None:
    model, source = tiny_model(), source_picture(size)
    results = animated(model, source, result)
    shown = animated(model, source, compare_view)
    for row, image, driving in zip(shown, results, DRIVING, strict=True):
        assert row.shape[0] % 2 == row.shape[1] % 2 == 0
        top = next(t for t in range(60) if np.array_equal(row[t : t + size, :size], source))
        np.testing.assert_array_equal(
            row[top : top + size, 2 * (size + GAP) : 3 * size + 2 * GAP], image
        )
        middle = row[top : top + size, size + GAP : 2 * size + GAP].astype(float)
        centre = driving[:, 5:55].astype(float)
        # Resizing keeps the mean colour, and the other pictures have another one.
        np.testing.assert_allclose(middle.mean(axis=(0, 1)), centre.mean(axis=(0, 1)), atol=3)
        assert row[:top].min() < 140  # the titles
        assert (row[top:, size : size + GAP] == 255).all()


@pytest.mark.parametrize("poses_only", [False, True])
@pytest.mark.parametrize("view", [compare_view, visual_view])
@pytest.mark.parametrize(
    "config",
    [
        tiny_config(),
        tiny_config(**{"model.motion": "tps", "model.background": None}),
        tiny_config(**{"model.cpab.global_cells": None}),
        tiny_affine_config("jacobian"),
        tiny_affine_config("pca"),
    ],
    ids=["cpab", "tps without background", "no global motion", "fomm", "mraa"],
)
def test_views_of_every_kind_of_model(config: Config, view: View, poses_only: bool) -> None:
    shown = animated(tiny_model(config), source_picture(40), view, poses_only=poses_only)
    [shape] = {picture.shape for picture in shown}
    assert shape[0] % 2 == shape[1] % 2 == 0
    assert all(picture.dtype == np.uint8 for picture in shown)
    assert not np.array_equal(shown[0], shown[2])


@pytest.mark.parametrize("view", [compare_view, visual_view])
def test_views_of_a_result_in_the_whole_picture(view: View) -> None:
    whole = moving_square(1, height=61, width=143, left=60)[0]
    framing = frame_region(143, 61, Region(50, 10, 41, 41))
    finish = partial(paste_back, whole, framing=framing)
    shown = animated(tiny_model(), framing.cut(whole), view, finish=finish)
    [(height, width, _)] = {picture.shape for picture in shown}
    assert height % 2 == width % 2 == 0
    if view is compare_view:  # two whole pictures and a square
        assert width == 2 * 143 + 61 + 2 * GAP + 1
        top = next(t for t in range(60) if np.array_equal(shown[0][t : t + 61, :143], whole))
        pasted = animated(tiny_model(), framing.cut(whole), result, finish=finish)
        right = slice(143 + 61 + 2 * GAP, 2 * 143 + 61 + 2 * GAP)
        np.testing.assert_array_equal(shown[0][top : top + 61, right], pasted[0])


@pytest.mark.parametrize("poses_only", [False, True])
def test_a_comparison_shows_the_parts_that_padding_was_added_to(poses_only: bool) -> None:
    source = source_picture(48)[:, 8:40]
    framing = frame_region(32, 48, None, "pad")
    driving = frame_region(60, 50, None, "pad")
    shown = animated(
        tiny_model(),
        framing.cut(source),
        compare_view,
        finish=framing.uncover,
        driving=driving,
        poses_only=poses_only,
    )
    [(_, width, _)] = {picture.shape for picture in shown}
    assert width == 2 * 32 + round(48 * 60 / 50) + 2 * GAP
    assert any(np.array_equal(shown[0][t : t + 48, :32], source) for t in range(40))


@pytest.mark.parametrize("view", [compare_view, visual_view])
def test_transparent_parts_are_white(view: View) -> None:
    clear = np.zeros((40, 40, 4), np.uint8)
    clear[15:25, 15:25] = (200, 30, 30, 255)
    shown = animated(tiny_model(), clear, view)
    assert shown[0].shape[2] == 3
    if view is compare_view:
        top = shown[0].shape[0] - 40
        assert (shown[0][top : top + 10, :40] == 255).all()


@pytest.mark.parametrize(("width", "height"), [(800, 40), (40, 800), (1, 300), (300, 1)])
@pytest.mark.parametrize("view", [compare_view, visual_view])
def test_results_of_extreme_proportions(view: View, width: int, height: int) -> None:
    def stretched(_: Frame) -> Frame:
        return np.full((height, width, 3), 90, np.uint8)

    [shape] = {f.shape for f in animated(tiny_model(), source_picture(40), view, finish=stretched)}
    assert shape[0] % 2 == shape[1] % 2 == 0
    if view is visual_view:
        assert shape[1] < 2000


@pytest.mark.parametrize("size", [40, 400])
def test_panels_grow_with_the_source(size: int) -> None:
    [shape] = {f.shape for f in animated(tiny_model(), source_picture(size), visual_view)}
    assert shape[0] > (2 * 192 if size == 40 else 2 * 256)
