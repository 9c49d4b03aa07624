"""The animation stream: order, batches, poses, moving sources, finishing and views."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.moving_square import moving_square
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.arrays import Frame
from cpabmm_core.errors import CheckpointError, DataError, ShapeError
from cpabmm_core.inference import (
    AnimatedFrame,
    AnimationStream,
    EncodedSource,
    InferenceModel,
    PoseTransfer,
    Region,
    frame_region,
    paste_back,
    to_frames,
)
from cpabmm_core.models import AnimationModel

SOURCE = moving_square(1, height=36, width=36, left=15)[0]
DRIVING = moving_square(7)
BATCH_TOLERANCE = 1
"""In levels of 255; measured: 0. The size of a batch changes results only by rounding."""


@pytest.fixture
def model() -> AnimationModel:
    return tiny_model()


def stream_of(
    model: AnimationModel,
    *,
    batch_size: int = 1,
    size: int | None = None,
    **settings: Any,  # noqa: ANN401
) -> AnimationStream:
    inference_model = InferenceModel(model, batch_size=batch_size)
    source = EncodedSource.from_squares(inference_model, [SOURCE], size)
    return AnimationStream(
        inference_model, source, PoseTransfer.for_model(model, source.keypoints), **settings
    )


def all_frames(stream: AnimationStream, frames: list[Frame] = DRIVING) -> list[Frame]:
    return [out for frame in frames for out in stream.push(frame)] + stream.flush()


def largest_difference(ours: list[Frame], others: list[Frame]) -> int:
    pairs = zip(ours, others, strict=True)
    return max(int(np.abs(one.astype(int) - other).max()) for one, other in pairs)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 8])
def test_one_frame_comes_out_for_each_in_batches(model: AnimationModel, batch_size: int) -> None:
    stream = stream_of(model, batch_size=batch_size)
    counts = [len(stream.push(frame)) for frame in DRIVING]
    assert counts == [batch_size if n % batch_size == 0 else 0 for n in range(1, 8)]
    assert len(stream.flush()) == 7 % batch_size
    assert stream.flush() == []


@pytest.mark.parametrize("batch_size", [2, 3, 8])
def test_batches_change_neither_order_nor_content(model: AnimationModel, batch_size: int) -> None:
    one_by_one = all_frames(stream_of(model))
    assert largest_difference(one_by_one[:-1], one_by_one[1:]) > 20
    batched = all_frames(stream_of(model, batch_size=batch_size))
    assert largest_difference(batched, one_by_one) <= BATCH_TOLERANCE


def test_a_frame_is_the_source_in_the_pose_of_the_driving_frame(model: AnimationModel) -> None:
    inference_model = InferenceModel(model)
    source = EncodedSource.from_squares(inference_model, [SOURCE])
    with torch.no_grad():
        driving = model.keypoints(inference_model.to_input(DRIVING))
    poses = PoseTransfer.for_model(model, source.keypoints).step(driving)
    expected = to_frames(source.render(poses))
    assert largest_difference(all_frames(stream_of(model)), expected) <= BATCH_TOLERANCE


def test_the_source_is_encoded_once(model: AnimationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    encode = model.generator.encode

    def counting(image: Tensor) -> list[Tensor]:
        encoded.append(image.shape[0])
        return encode(image)

    monkeypatch.setattr(model.generator, "encode", counting)
    all_frames(stream_of(model, batch_size=2))
    assert encoded == [1]


def test_a_flushed_stream_goes_on_with_its_reference(model: AnimationModel) -> None:
    expected = all_frames(stream_of(model))
    stream = stream_of(model, batch_size=4)
    first = [*stream.push(DRIVING[0]), *stream.push(DRIVING[1]), *stream.flush()]
    rest = all_frames(stream, DRIVING[2:])
    assert largest_difference(first + rest, expected) <= BATCH_TOLERANCE


def test_the_memory_of_a_pushed_frame_may_be_reused(model: AnimationModel) -> None:
    buffer = np.empty_like(DRIVING[0])
    stream, out = stream_of(model, batch_size=8), []
    for frame in DRIVING:
        buffer[:] = frame
        out += stream.push(buffer)
    out += stream.flush()
    assert largest_difference(out, all_frames(stream_of(model, batch_size=8))) == 0


def test_frames_may_come_from_different_threads(model: AnimationModel) -> None:
    stream, out = stream_of(model, batch_size=2), []
    for frame in DRIVING:
        thread = threading.Thread(target=lambda frame=frame: out.extend(stream.push(frame)))
        thread.start()
        thread.join()
    out += stream.flush()
    expected = all_frames(stream_of(model, batch_size=2))
    assert largest_difference(out, expected) <= BATCH_TOLERANCE


@pytest.mark.parametrize("frames", ["cpab", "jacobian", "pca"])
def test_poses_give_the_frames_that_pictures_give(frames: str) -> None:
    model = tiny_model(tiny_config() if frames == "cpab" else tiny_affine_config(frames))
    with torch.no_grad():
        driving = model.keypoints(InferenceModel(model).to_input(DRIVING))
    for batch_size in (1, 3):
        stream = stream_of(model, batch_size=batch_size)
        out = [out for pose in driving.split(1) for out in stream.push_pose(pose)] + stream.flush()
        expected = all_frames(stream_of(model, batch_size=batch_size))
        assert largest_difference(out, expected) <= BATCH_TOLERANCE


def test_poses_and_pictures_can_be_mixed(model: AnimationModel) -> None:
    with torch.no_grad():
        driving = model.keypoints(InferenceModel(model).to_input(DRIVING))
    stream, out = stream_of(model, batch_size=3), []
    for index, frame in enumerate(DRIVING):
        out += stream.push_pose(driving[index : index + 1]) if index % 2 else stream.push(frame)
    out += stream.flush()
    assert largest_difference(out, all_frames(stream_of(model))) <= BATCH_TOLERANCE


def test_the_driving_framing_decides_what_the_model_sees(model: AnimationModel) -> None:
    framing = frame_region(50, 40, Region(10, 5, 30, 30))
    cut = [frame[5:35, 10:40] for frame in DRIVING]
    out = all_frames(stream_of(model, driving=framing))
    assert largest_difference(out, all_frames(stream_of(model), cut)) == 0
    assert largest_difference(out, all_frames(stream_of(model))) > 5


def test_times_reach_the_smoothing(model: AnimationModel) -> None:
    times = [0.0, 0.1, 0.15, 0.3, 0.31, 0.5, 0.9]
    inference_model = InferenceModel(model, batch_size=2)
    source = EncodedSource.from_squares(inference_model, [SOURCE])
    with torch.no_grad():
        driving = model.keypoints(inference_model.to_input(DRIVING))
    smoothed = PoseTransfer.for_model(model, source.keypoints, smooth=0.7).step(driving, times)
    expected = to_frames(source.render(smoothed))
    poses = PoseTransfer.for_model(model, source.keypoints, smooth=0.7)
    stream, out = AnimationStream(inference_model, source, poses), []
    for frame, time in zip(DRIVING, times, strict=True):
        out += stream.push(frame, time)
    out += stream.flush()
    assert largest_difference(out, expected) <= BATCH_TOLERANCE
    assert largest_difference(out, all_frames(stream_of(model))) > 5


@pytest.mark.parametrize("channels", [3, 4])
def test_a_moving_source_is_encoded_for_each_frame(model: AnimationModel, channels: int) -> None:
    squares = moving_square(7, height=40, width=40, left=2, speed=3)
    if channels == 4:
        opaque = np.full((40, 40, 1), 255, np.uint8)
        squares = [np.dstack([square, opaque]) for square in squares]
    inference_model = InferenceModel(model, batch_size=3)
    source = EncodedSource.from_squares(inference_model, squares[:1], 48)
    stream = AnimationStream(
        inference_model, source, PoseTransfer.for_model(model, source.keypoints)
    )
    out = []
    for frame, square in zip(DRIVING, squares, strict=True):
        out += stream.push(frame, source=square)
    out += stream.flush()
    sources = EncodedSource.from_squares(inference_model, squares, 48)
    with torch.no_grad():
        driving = model.keypoints(inference_model.to_input(DRIVING))
    poses = PoseTransfer.for_model(model, source.keypoints).step(driving, None, sources.keypoints)
    assert out[0].shape == (48, 48, channels)
    expected = to_frames(sources.render(poses))
    assert largest_difference(out, expected) <= BATCH_TOLERANCE


def test_results_are_finished_and_a_frame_may_have_its_own_way(model: AnimationModel) -> None:
    framing = frame_region(60, 50, Region(10, 5, 36, 36))
    wholes = [np.full((50, 60, 3), 20 * index, np.uint8) for index in range(7)]
    stream, out = stream_of(model, batch_size=3, finish=lambda square: square[::2]), []
    for frame, whole in zip(DRIVING, wholes, strict=True):
        out += stream.push(frame, finish=partial(paste_back, whole, framing=framing))
    out += stream.push(DRIVING[0]) + stream.flush()
    plain = all_frames(stream_of(model, batch_size=3), [*DRIVING, DRIVING[0]])
    for whole, frame, square in zip(wholes, out[:7], plain, strict=False):
        np.testing.assert_array_equal(frame, paste_back(whole, square, framing))
    np.testing.assert_array_equal(out[7], plain[7][::2])


def test_a_view_gets_everything_about_its_frame(model: AnimationModel) -> None:
    seen: list[AnimatedFrame] = []

    def view(frame: AnimatedFrame) -> Frame:
        seen.append(frame)
        return frame.image[:1]

    framing = frame_region(50, 40, Region(0, 0, 40, 30), "pad")
    stream = stream_of(model, batch_size=3, size=64, driving=framing, view=view)
    out = all_frames(stream)
    assert [frame.shape for frame in out] == [(1, 64, 3)] * 7
    assert [frame.index for frame in seen] == list(range(7))
    inference_model = InferenceModel(model)
    for driving, frame in zip(DRIVING, seen, strict=True):
        assert frame.driving is not None
        np.testing.assert_array_equal(frame.driving, framing.cut(driving))
        np.testing.assert_array_equal(frame.uncover(frame.driving), driving[:30, :40])
        [image] = to_frames(frame.rendered.images)
        np.testing.assert_array_equal(image, frame.image)
        assert frame.source.shape == (64, 64, 3)
        with torch.no_grad():
            keypoints = model.keypoints(inference_model.to_input([frame.driving]))[0]
        torch.testing.assert_close(frame.driving_keypoints, keypoints, rtol=0, atol=1e-5)
        assert len(frame.rendered.poses) == len(frame.rendered.motion.deformation) == 1
        assert frame.groups == 2
    flows = [frame.rendered.motion.deformation for frame in seen]
    assert not torch.equal(flows[0], flows[1])  # each frame has its own


def test_a_transparent_source_is_shown_as_it_is(model: AnimationModel) -> None:
    alpha = np.zeros((36, 36, 1), np.uint8)
    alpha[8:28, 8:28] = 128
    inference_model = InferenceModel(model, batch_size=1)
    square = np.dstack([SOURCE, alpha])
    source = EncodedSource.from_squares(inference_model, [square])
    seen: list[Frame] = []

    def view(frame: AnimatedFrame) -> Frame:
        seen.append(frame.source)
        return frame.image

    poses = PoseTransfer.for_model(model, source.keypoints)
    stream = AnimationStream(inference_model, source, poses, view=view)
    stream.push(DRIVING[0])
    inside = seen[0][9:27, 9:27].astype(int)
    assert np.abs(inside - square[9:27, 9:27]).max() <= 2  # rounded twice, at half opacity


WRONG: dict[str, tuple[Callable[[AnimationStream], object], type[Exception], str]] = {
    "grey": (lambda s: s.push(DRIVING[0][..., 0]), DataError, "frame: expected"),
    "float": (lambda s: s.push(DRIVING[0] / 255), DataError, "frame: expected"),  # type: ignore[arg-type]
    "empty": (lambda s: s.push(DRIVING[0][:0]), DataError, "at least one pixel"),
    "points": (lambda s: s.push_pose(torch.zeros(1, 5, 2)), ShapeError, r"\(1, 6, 2\)"),
    "kind": (lambda s: s.push_pose(torch.zeros(1, 6, 6)), ShapeError, "keypoints: expected"),
    "batch": (lambda s: s.push_pose(torch.zeros(2, 6, 2)), ShapeError, "keypoints: expected"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_input_is_refused_and_does_no_harm(model: AnimationModel, case: str) -> None:
    call, error, message = WRONG[case]
    stream = stream_of(model, batch_size=2)
    assert stream.push(DRIVING[0]) == []
    with pytest.raises(error, match=message):
        call(stream)
    out = stream.push(DRIVING[1])
    assert largest_difference(out, all_frames(stream_of(model))[:2]) <= BATCH_TOLERANCE


@pytest.mark.parametrize("name", ["time", "source"])
def test_all_frames_of_a_batch_or_none_have_a_time_or_a_source(
    model: AnimationModel, name: str
) -> None:
    stream = stream_of(model, batch_size=2)
    value = 0.5 if name == "time" else SOURCE
    stream.push(DRIVING[0], **{name: value})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=f"{name}: expected one for every frame of a batch"):
        stream.push(DRIVING[1])


def test_nan_never_becomes_a_frame(model: AnimationModel) -> None:
    torch.nn.init.constant_(model.generator.to_rgb.weight, float("nan"))
    with pytest.raises(CheckpointError, match="the model renders NaN or infinity"):
        stream_of(model).push(DRIVING[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"model.motion": "tps"},
        {"model.background": None},
        {"model.cpab.global_cells": None},
    ],
    ids=["tps", "no background", "no global motion"],
)
def test_every_kind_of_model_streams(changes: dict[str, object]) -> None:
    model = tiny_model(tiny_config(**changes))
    assert len(all_frames(stream_of(model, batch_size=4))) == 7
