from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.moving_square import moving_square
from _helpers.tiny_model import tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import ConfigError, DataError
from cpabmm_core.inference.reconstructor import reconstruct, summarise
from cpabmm_core.metrics.pixel_error import l1
from cpabmm_core.models.animation_model import AnimationModel

VIDEO = moving_square(5, height=32, width=40, left=6, speed=3)
CROPPED = [frame[:, 4:36] for frame in VIDEO]


@pytest.fixture
def model() -> AnimationModel:
    return tiny_model()


def test_pairs_of_real_and_generated_frames(model: AnimationModel) -> None:
    pairs = list(reconstruct(model, VIDEO, batch_size=2))
    assert len(pairs) == 5
    for (real, generated), expected in zip(pairs, CROPPED, strict=True):
        assert np.array_equal(real, expected)
        assert generated.shape == (32, 32, 3)
        assert generated.dtype == np.uint8


def test_standing_still_has_a_closed_form(model: AnimationModel) -> None:
    """A 15 x 15 square moved by k columns differs in 2 * 15 * k pixels from where it was."""
    result = reconstruct(model, VIDEO, batch_size=2)
    list(result)
    contrast = (190 + 30 + 140) / 3 / 255
    uncovered = [2 * 15 * (3 * k) / 32**2 for k in range(5)]
    assert result.standing_still == pytest.approx(contrast * np.mean(uncovered), rel=1e-5)


def test_l1_is_that_of_the_frames(model: AnimationModel) -> None:
    result = reconstruct(model, VIDEO, batch_size=2)
    real, generated = (np.stack(frames) for frames in zip(*result, strict=True))
    # Rounding moves each value by half a level at most, and the mean by much less.
    assert result.l1 == pytest.approx(l1(real, generated), abs=0.1 / 255)
    assert result.frames == 5


def test_a_model_that_draws_the_real_frame_has_no_error(
    model: AnimationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reals: list[Tensor] = []
    keypoints = model.keypoints

    def spy(images: Tensor) -> Tensor:
        reals.append(images)
        return keypoints(images)

    monkeypatch.setattr(model, "keypoints", spy)
    monkeypatch.setattr(model, "generate", lambda *_: reals[-1])
    result = reconstruct(model, VIDEO, batch_size=2)
    assert all(np.array_equal(real, generated) for real, generated in result)
    assert result.l1 == 0
    assert result.standing_still > 0.01


@torch.no_grad()
def test_the_background_moves(model: AnimationModel) -> None:
    """With the affine map pushed away from the identity the picture changes."""
    at_rest = list(reconstruct(model, VIDEO))
    assert model.background_predictor is not None
    model.background_predictor.linear.bias.add_(0.5)
    moved = list(reconstruct(model, VIDEO))
    assert not np.array_equal(at_rest[1][1], moved[1][1])


def test_a_model_without_background_motion() -> None:
    result = reconstruct(tiny_model(tiny_config(**{"model.background": None})), VIDEO)
    assert len(list(result)) == 5


def test_scores_grow_with_the_frames_and_memory_does_not(model: AnimationModel) -> None:
    taken = 0

    def endless() -> Iterator[Frame]:
        nonlocal taken
        while True:
            yield VIDEO[taken % 5]
            taken += 1

    result = reconstruct(model, endless(), batch_size=1)
    next(result)
    assert (result.frames, result.standing_still) == (1, 0)
    next(result)
    assert result.frames == 2
    assert result.standing_still > 0
    assert taken <= 2


def test_batches_do_not_change_the_scores(model: AnimationModel) -> None:
    scores = []
    for batch_size in (1, 4):
        result = reconstruct(model, VIDEO, batch_size=batch_size)
        list(result)
        scores.append((result.l1, result.standing_still))
    # Measured: 2e-4; the fits of a batch stop together, so each ends a little elsewhere.
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


def test_no_frame_has_no_score(model: AnimationModel) -> None:
    result = reconstruct(model, [])
    assert list(result) == []
    with pytest.raises(DataError, match="no frame was drawn"):
        _ = result.l1


def test_scores_of_a_set_are_over_all_frames(model: AnimationModel) -> None:
    """Not over the videos, of which the long one here counts four times as much."""
    videos = (VIDEO[:1], VIDEO[1:])
    drawn = [reconstruct(model, video, batch_size=2) for video in videos]
    frames = [frame for each in drawn for frame in each]
    scores = summarise(drawn)
    of_frames = [l1(real[None], generated[None]) for real, generated in frames]
    assert scores.l1 == pytest.approx(np.mean(of_frames), abs=0.1 / 255)
    of_videos = (of_frames[0] + np.mean(of_frames[1:])) / 2
    assert scores.l1_videos == pytest.approx(of_videos, abs=0.1 / 255)
    first = [CROPPED[0], *[CROPPED[1]] * 4]
    still = [l1(a[None], b[None]) for a, b in zip(first, CROPPED, strict=True)]
    assert scores.standing_still == pytest.approx(np.mean(still), rel=1e-5)


def test_a_set_with_a_video_that_is_not_drawn_yet(model: AnimationModel) -> None:
    with pytest.raises(DataError, match="no frame was drawn"):
        summarise([reconstruct(model, VIDEO)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"batch_size": 0}, "batch_size"), ({"precision": "fp8"}, "precision")],
)
def test_wrong_settings(model: AnimationModel, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reconstruct(model, VIDEO, **arguments)
