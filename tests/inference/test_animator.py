import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from _helpers.moving_square import moving_square
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from torch import Tensor

from cpabmm_core import load_model
from cpabmm_core.arrays import Frame
from cpabmm_core.checkpoint.format import save_checkpoint
from cpabmm_core.errors import CheckpointError, ConfigError, DataError, ResourceError
from cpabmm_core.inference.animator import Animator
from cpabmm_core.inference.frames import to_frames, to_model_input
from cpabmm_core.inference.poses import PoseTransfer
from cpabmm_core.inference.regions import Fit
from cpabmm_core.inference.transfer import TransferMode, hull_area, transfer_keypoints
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.precision import Precision

SOURCE = moving_square(1, height=44, width=36, left=15)[0]
DRIVING = moving_square(5)
SIZE = 32
"""The frame size of the model, at which results are what the networks render."""
BATCH_TOLERANCE = 1
"""In levels of 255; measured: 0. The size of a batch changes results only by rounding."""
HALF_TOLERANCE = 5
"""In levels of 255; measured: 2 in bf16, 1 in fp16."""


@pytest.fixture
def model() -> AnimationModel:
    return tiny_model()


def model_with_avd() -> AnimationModel:
    """Build a model whose avd network separates poses, unlike an untrained one."""
    model = tiny_model(tiny_config(**{"model.avd": {"id_bottle_size": 4, "pose_bottle_size": 4}}))
    assert model.avd is not None
    for layer in model.avd.modules():
        if isinstance(layer, torch.nn.Linear):
            weight = torch.empty_like(layer.weight)
            generator = torch.Generator().manual_seed(weight.numel())
            weight.normal_(std=2 * layer.in_features**-0.5, generator=generator)
            layer.weight.data = weight
    return model


@torch.no_grad()
def by_hand(model: AnimationModel, mode: TransferMode, frame: Frame, reference: Frame) -> Frame:
    """Compute one output frame through the model's methods, in a batch of one."""
    source, driving, start = (
        to_model_input(image, model.frame_size, torch.device("cpu"))
        for image in (SOURCE, frame, reference)
    )
    keypoints = model.keypoints(source)
    kp_driving, kp_start = model.keypoints(driving), model.keypoints(start)
    pose = transfer_keypoints(mode, keypoints, kp_driving, kp_start, model.avd)
    image = model.generate(source, model.motion(source, keypoints, pose))
    return to_frames(image)[0]


def largest_difference(ours: list[Frame], others: list[Frame]) -> int:
    pairs = zip(ours, others, strict=True)
    return max(int(np.abs(one.astype(int) - other).max()) for one, other in pairs)


@pytest.mark.parametrize("mode", ["standard", "relative", "avd"])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_every_driving_frame_gives_the_source_in_its_pose(
    mode: TransferMode, batch_size: int
) -> None:
    model = model_with_avd()
    ours = list(Animator(model, mode, batch_size=batch_size, size=SIZE).animate(SOURCE, DRIVING))
    expected = [by_hand(model, mode, frame, DRIVING[0]) for frame in DRIVING]
    assert [frame.shape for frame in ours] == [(32, 32, 3)] * 5
    assert all(frame.dtype == np.uint8 for frame in ours)
    assert largest_difference(ours, expected) <= BATCH_TOLERANCE
    assert largest_difference(expected[:-1], expected[1:]) > 20


@pytest.mark.parametrize("mode", ["standard", "relative", "avd"])
@pytest.mark.parametrize("frames", ["jacobian", "pca"])
def test_affine_models_are_animated_too(frames: str, mode: TransferMode) -> None:
    model = tiny_model(tiny_affine_config(frames, **{"model.avd": {}}))
    ours = list(Animator(model, mode, batch_size=2, size=SIZE).animate(SOURCE, DRIVING))
    expected = [by_hand(model, mode, frame, DRIVING[0]) for frame in DRIVING]
    assert largest_difference(ours, expected) <= BATCH_TOLERANCE
    if mode != "avd":  # an untrained network barely separates poses
        assert largest_difference(expected[:-1], expected[1:]) > 2


@pytest.mark.parametrize("scaled", [True, False])
def test_the_checkpoint_decides_whether_relative_movements_are_scaled(
    scaled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The animator gets this setting from the model alone."""
    path = tmp_path / "model.safetensors"
    settings = tiny_config(**{"model.relative_hull_scaling": scaled})
    save_checkpoint(path, tiny_model(), settings, record={})
    model = load_model(path, device="cpu")
    source, start, driving = (
        model.keypoints(to_model_input(image, 32, torch.device("cpu"))).detach()
        for image in (SOURCE, DRIVING[0], DRIVING[3])
    )
    areas = [hull_area(keypoints[0]) for keypoints in (source, start)]
    scale = math.sqrt(areas[0] / areas[1]) if scaled else 1.0
    motion = Mock(wraps=model.motion)
    monkeypatch.setattr(model, "motion", motion)
    list(Animator(model, batch_size=8).animate(SOURCE, DRIVING))
    pose = motion.call_args.args[2][3]
    torch.testing.assert_close(pose, (source + scale * (driving - start))[0], rtol=0, atol=1e-5)
    assert areas[0] / areas[1] != pytest.approx(1, rel=0.02)


def test_another_reference_frame(model: AnimationModel) -> None:
    animator = Animator(model, size=SIZE)
    ours = list(animator.animate(SOURCE, DRIVING, reference=DRIVING[3]))
    expected = [by_hand(model, "relative", frame, DRIVING[3]) for frame in DRIVING]
    assert largest_difference(ours, expected) <= BATCH_TOLERANCE
    assert largest_difference(ours, list(animator.animate(SOURCE, DRIVING))) > 20


def test_the_source_is_encoded_once(model: AnimationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    encode = model.generator.encode

    def counting(image: Tensor) -> list[Tensor]:
        encoded.append(image.shape[0])
        return encode(image)

    monkeypatch.setattr(model.generator, "encode", counting)
    list(Animator(model, batch_size=2).animate(SOURCE, DRIVING))
    assert encoded == [1]


def test_frames_are_streamed(model: AnimationModel) -> None:
    taken = 0

    def endless() -> Iterator[Frame]:
        nonlocal taken
        while True:
            taken += 1
            yield DRIVING[taken % 5]

    output = Animator(model, batch_size=2).animate(SOURCE, endless())
    assert taken == 0
    for count in range(1, 6):
        next(output)
        assert taken == 2 * ((count + 1) // 2)


def test_driving_frames_may_change_their_size(model: AnimationModel) -> None:
    mixed = [DRIVING[0], *moving_square(1, height=64, width=200), SOURCE]
    assert len(list(Animator(model, batch_size=3).animate(SOURCE, mixed))) == 3


def test_no_driving_frames_give_no_output(model: AnimationModel) -> None:
    assert list(Animator(model).animate(SOURCE, [])) == []


@pytest.mark.parametrize(
    ("fit", "size", "expected"),
    [
        ("crop", None, (36, 36)),  # the largest square of 44 x 36 pixels
        ("crop", 50, (50, 50)),
        ("pad", None, (44, 36)),
        ("pad", 88, (88, 72)),
        ("pad", 22, (22, 18)),
    ],
)
def test_the_output_is_as_large_as_the_source_unless_a_size_is_set(
    model: AnimationModel, fit: Fit, size: int | None, expected: tuple[int, int]
) -> None:
    output = list(Animator(model, fit=fit, size=size).animate(SOURCE, DRIVING[:2]))
    assert [frame.shape for frame in output] == [(*expected, 3)] * 2


def test_a_larger_output_shows_the_same(model: AnimationModel) -> None:
    small = list(Animator(model, size=SIZE).animate(SOURCE, DRIVING))
    large = list(Animator(model, size=3 * SIZE).animate(SOURCE, DRIVING))
    # Enlarging preserves the mean colour of each 3 x 3 block approximately.
    blocks = large[4].astype(float).reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    assert np.abs(blocks - small[4]).mean() < 4


def test_padding_shows_the_model_the_whole_frames(model: AnimationModel) -> None:
    """The source and the frames are those that a caller pads with their edge pixels."""
    edges = ((0, 0), (4, 4), (0, 0))
    source, frames = (
        np.pad(SOURCE, edges, mode="edge"),
        [np.pad(frame, ((5, 5), (0, 0), (0, 0)), mode="edge") for frame in DRIVING],
    )
    expected = [frame[:, 4:40] for frame in Animator(model).animate(source, frames)]
    output = list(Animator(model, fit="pad").animate(SOURCE, DRIVING))
    assert largest_difference(output, expected) == 0


def test_a_transparent_source_gives_transparent_frames(model: AnimationModel) -> None:
    alpha = np.zeros((44, 36, 1), np.uint8)
    alpha[10:30, 8:28] = 255
    output = list(Animator(model).animate(np.dstack([SOURCE, alpha]), DRIVING[:2]))
    assert [frame.shape for frame in output] == [(36, 36, 4)] * 2


def test_settings_of_the_motion_reach_the_poses(
    model: AnimationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = Mock(wraps=PoseTransfer.for_model)
    monkeypatch.setattr(PoseTransfer, "for_model", transfer)
    settings = {"motion_scale": 0.5, "smooth": 0.3, "hull_scaling": False}
    animator = Animator(model, "standard", **settings)  # type: ignore[arg-type]
    list(animator.animate(SOURCE, DRIVING[:1]))
    assert transfer.call_args.args[2] == "standard"
    assert transfer.call_args.kwargs == {**settings, "reference": None}


def test_no_motion_gives_the_same_frame_for_all(model: AnimationModel) -> None:
    output = list(Animator(model, motion_scale=0).animate(SOURCE, DRIVING))
    assert largest_difference(output, output[:1] * 5) <= BATCH_TOLERANCE


def test_streams_of_one_animator_are_independent(model: AnimationModel) -> None:
    animator = Animator(model, batch_size=1)
    one, other = animator.stream(SOURCE), animator.stream(DRIVING[2])
    mixed = [(*one.push(frame), *other.push(frame)) for frame in DRIVING]
    assert largest_difference([a for a, _ in mixed], list(animator.animate(SOURCE, DRIVING))) == 0
    alone = list(animator.animate(DRIVING[2], DRIVING))
    assert largest_difference([b for _, b in mixed], alone) == 0


def test_a_model_in_training_mode_is_switched_to_eval_mode(model: AnimationModel) -> None:
    expected = list(Animator(model).animate(SOURCE, DRIVING))
    assert largest_difference(list(Animator(model.train()).animate(SOURCE, DRIVING)), expected) == 0


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_used_and_close(
    model: AnimationModel,
    precision: Precision,
) -> None:
    full = list(Animator(model).animate(SOURCE, DRIVING))
    dtypes = set()
    model.generator.to_rgb.register_forward_hook(lambda _, __, output: dtypes.add(output.dtype))
    half = list(Animator(model, precision=precision).animate(SOURCE, DRIVING))
    assert dtypes == {torch.bfloat16 if precision == "bf16" else torch.float16}
    assert largest_difference(half, full) <= HALF_TOLERANCE


def test_a_batch_that_overflows_is_rendered_again_in_float32(model: AnimationModel) -> None:
    full = list(Animator(model, batch_size=2).animate(SOURCE, DRIVING))
    calls = []

    def overflow(_: object, __: object, output: Tensor) -> Tensor:
        calls.append(output.dtype)
        return output * float("nan") if len(calls) == 1 else output

    model.generator.to_rgb.register_forward_hook(overflow)
    half = list(Animator(model, batch_size=2, precision="fp16").animate(SOURCE, DRIVING))
    assert calls == [torch.float16, torch.float32, torch.float16, torch.float16]
    assert largest_difference(half[:2], full[:2]) == 0
    assert largest_difference(half, full) <= HALF_TOLERANCE


def test_nan_never_becomes_a_frame(model: AnimationModel) -> None:
    torch.nn.init.constant_(model.generator.to_rgb.weight, float("nan"))
    output = Animator(model).animate(SOURCE, DRIVING)
    with pytest.raises(CheckpointError, match="the model renders NaN or infinity"):
        next(output)


def test_a_wrong_source_is_an_error_before_the_first_frame(model: AnimationModel) -> None:
    with pytest.raises(DataError, match="source: expected"):
        Animator(model).animate(SOURCE[..., 0], DRIVING)
    with pytest.raises(DataError, match="reference: expected"):
        Animator(model).animate(SOURCE, DRIVING, reference=SOURCE.astype(np.float32))
    with pytest.raises(DataError, match="source: expected at least one pixel"):
        Animator(model).animate(SOURCE[:0], DRIVING)


def test_a_wrong_driving_frame_is_an_error_when_it_is_read(model: AnimationModel) -> None:
    output = Animator(model, batch_size=1).animate(SOURCE, [DRIVING[0], DRIVING[1][..., 0]])
    next(output)
    with pytest.raises(DataError, match="frame: expected"):
        next(output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "absolute"}, "mode absolute: unknown; use standard, relative or avd"),
        ({"mode": "avd"}, "mode avd: the model has no avd network; train one with `train_avd`"),
        ({"precision": "fp8"}, "precision fp8: unknown"),
        ({"batch_size": 0}, "batch_size: expected 1 or more, got 0"),
        ({"size": 0}, "size: expected 1 or more pixels, got 0"),
        ({"fit": "stretch"}, "fit stretch: unknown; use crop or pad"),
        ({"motion_scale": -1.0}, "motion_scale: expected 0 to 10, got -1"),
        ({"smooth": 2.0}, r"smooth: expected 0 \(none\) to 1 \(strong\), got 2"),
    ],
)
def test_wrong_settings(model: AnimationModel, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Animator(model, **arguments)


def test_a_missing_device_is_an_error(model: AnimationModel) -> None:
    with pytest.raises(ResourceError, match="cuda:99"):
        Animator(model, device="cuda:99")


@pytest.mark.parametrize(
    "changes",
    [
        {"model.motion": "tps"},
        {"model.cpab.fit": "paper", "model.cpab.paper_iterations": 5},
        {"model.background": None},
    ],
    ids=["tps", "the paper's fit", "no background"],
)
def test_every_kind_of_model_animates(changes: dict[str, object]) -> None:
    model = tiny_model(tiny_config(**changes))
    assert len(list(Animator(model).animate(SOURCE, DRIVING[:2]))) == 2


@pytest.mark.parametrize("frames", ["jacobian", "pca"])
def test_affine_models_in_half_precision_are_close(frames: str) -> None:
    model = tiny_model(tiny_affine_config(frames))
    full = list(Animator(model).animate(SOURCE, DRIVING))
    half = list(Animator(model, precision="bf16").animate(SOURCE, DRIVING))
    assert largest_difference(full, half) < 8  # Measured: 2.
