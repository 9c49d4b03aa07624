from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.moving_square import moving_square
from _helpers.tiny_model import tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import ConfigError, DataError
from cpabmm_core.inference.reconstructor import (
    ReconstructedFrame,
    VideoScore,
    reconstruct,
    score_set,
    score_video,
)
from cpabmm_core.metrics.pixel_error import l1
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.background import BackgroundPredictor

VIDEO = moving_square(5, height=32, width=40, left=6, speed=3)
CROPPED = [frame[:, 4:36] for frame in VIDEO]


def score(frames: Iterable[ReconstructedFrame]) -> VideoScore:
    return score_video(frame.errors for frame in frames)


@pytest.fixture
def model() -> AnimationModel:
    return tiny_model()


def test_each_real_frame_comes_with_a_generated_one(model: AnimationModel) -> None:
    pairs = list(reconstruct(model, VIDEO, batch_size=2))
    assert len(pairs) == 5
    for (real, generated, _), expected in zip(pairs, CROPPED, strict=True):
        assert np.array_equal(real, expected)
        assert generated.shape == (32, 32, 3)
        assert generated.dtype == np.uint8


def test_the_static_baseline_has_a_closed_form(model: AnimationModel) -> None:
    """A 15 x 15 square moved by k columns differs in 2 * 15 * k pixels from its first place."""
    result = score(reconstruct(model, VIDEO, batch_size=2))
    contrast = (190 + 30 + 140) / 3 / 255
    uncovered = [2 * 15 * (3 * k) / 32**2 for k in range(5)]
    assert result.standing_still == pytest.approx(contrast * np.mean(uncovered), rel=1e-5)


def test_errors_are_the_l1_of_the_frames(model: AnimationModel) -> None:
    frames = list(reconstruct(model, VIDEO, batch_size=2))
    real, generated = (np.stack([frame[i] for frame in frames]) for i in range(2))
    # Rounding moves each value by half a level at most, and the mean by much less.
    assert score(frames).l1 == pytest.approx(l1(real, generated), abs=0.1 / 255)
    assert score(frames).frames == 5
    for frame in frames:
        of_frame = l1(frame.real[None], frame.generated[None])
        assert frame.errors.l1 == pytest.approx(of_frame, abs=0.1 / 255)


def test_a_model_that_returns_the_real_frame_has_no_error(
    model: AnimationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reals: list[Tensor] = []
    keypoints = model.keypoints

    def spy(images: Tensor) -> Tensor:
        reals.append(images)
        return keypoints(images)

    monkeypatch.setattr(model, "keypoints", spy)
    monkeypatch.setattr(model, "generate", lambda *_: reals[-1])
    frames = list(reconstruct(model, VIDEO, batch_size=2))
    assert all(np.array_equal(frame.real, frame.generated) for frame in frames)
    assert score(frames).l1 == 0
    assert score(frames).standing_still > 0.01


@torch.no_grad()
def test_the_background_moves(model: AnimationModel) -> None:
    """A background map away from the identity changes the frame."""
    at_rest = list(reconstruct(model, VIDEO))
    assert isinstance(model.background_predictor, BackgroundPredictor)
    model.background_predictor.linear.bias.add_(0.5)
    moved = list(reconstruct(model, VIDEO))
    assert not np.array_equal(at_rest[1][1], moved[1][1])


def test_a_model_without_background_motion() -> None:
    result = reconstruct(tiny_model(tiny_config(**{"model.background": None})), VIDEO)
    assert len(list(result)) == 5


def test_frames_are_streamed(model: AnimationModel) -> None:
    taken = 0

    def endless() -> Iterator[Frame]:
        nonlocal taken
        while True:
            yield VIDEO[taken % 5]
            taken += 1

    result = reconstruct(model, endless(), batch_size=1)
    assert taken == 0
    assert next(result).errors.standing_still == 0
    assert next(result).errors.standing_still > 0
    assert taken <= 2


def test_batches_do_not_change_the_scores(model: AnimationModel) -> None:
    scores = []
    for batch_size in (1, 4):
        result = score(reconstruct(model, VIDEO, batch_size=batch_size))
        scores.append((result.l1, result.standing_still))
    # Measured: 1e-7. The size of a batch changes results only by rounding.
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_an_empty_video_has_no_score(model: AnimationModel) -> None:
    assert list(reconstruct(model, [])) == []
    with pytest.raises(DataError, match="the video has no frames"):
        score(reconstruct(model, []))


def test_scores_of_a_set_are_over_all_frames(model: AnimationModel) -> None:
    """The long video counts four times as much as the short one."""
    videos = (VIDEO[:1], VIDEO[1:])
    generated = [list(reconstruct(model, video, batch_size=2)) for video in videos]
    scores = score_set([score(frames) for frames in generated])
    of_frames = [
        l1(frame.real[None], frame.generated[None]) for frames in generated for frame in frames
    ]
    assert scores.l1 == pytest.approx(np.mean(of_frames), abs=0.1 / 255)
    of_videos = (of_frames[0] + np.mean(of_frames[1:])) / 2
    assert scores.l1_videos == pytest.approx(of_videos, abs=0.1 / 255)
    first = [CROPPED[0], *[CROPPED[1]] * 4]
    still = [l1(a[None], b[None]) for a, b in zip(first, CROPPED, strict=True)]
    assert scores.standing_still == pytest.approx(np.mean(still), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"batch_size": 0}, "batch_size"), ({"precision": "fp8"}, "precision")],
)
def test_wrong_settings(model: AnimationModel, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reconstruct(model, VIDEO, **arguments)
