import numpy as np
import pytest
import torch
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.errors import CheckpointError, DataError
from cpabmm_core.inference.encoded_source import EncodedSource
from cpabmm_core.inference.frames import resize, to_frames, to_model_input
from cpabmm_core.inference.inference_model import InferenceModel
from cpabmm_core.models.animation_model import AnimationModel

CPU = torch.device("cpu")
CONFIGS = {
    "cpab": tiny_config(),
    "tps": tiny_config(**{"model.motion": "tps"}),
    "FOMM": tiny_affine_config("jacobian", **{"model.affine.align_corners": False}),
    "MRAA": tiny_affine_config("pca", **{"model.affine.align_corners": False}),
}


def noise(size: int, batch: int = 1, channels: int = 3, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, size, size, generator=random)


@torch.no_grad()
def by_hand(model: AnimationModel, image: Tensor, poses: Tensor) -> Tensor:
    return model.generate(image, model.motion(image, model.keypoints(image), poses))


INVISIBLE = 1e-6
"""A mean squared error of 60 dB: the prepared networks round differently."""


@torch.no_grad()
def poses_of(model: AnimationModel, batch: int) -> Tensor:
    return model.keypoints(noise(32, batch, seed=5))


@pytest.mark.parametrize("kind", CONFIGS)
def test_without_a_large_source_the_model_alone_decides(kind: str) -> None:
    model, image = tiny_model(CONFIGS[kind]), noise(32)
    poses = poses_of(model, 2)
    expected = by_hand(model, image, poses)
    rendered = EncodedSource(InferenceModel(model), image).render(poses)
    assert (rendered - expected).square().mean() < INVISIBLE
    same_size = EncodedSource(InferenceModel(model), image, noise(32, seed=1))
    assert (same_size.render(poses) - expected).square().mean() < INVISIBLE


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("size", [21, 75])
def test_the_large_source_decides_the_size(kind: str, size: int) -> None:
    model, image = tiny_model(CONFIGS[kind]), noise(32)
    poses = poses_of(model, 3)
    source = EncodedSource(InferenceModel(model), image, noise(size, channels=4))
    images = source.render(poses)
    assert images.shape == (3, 4, size, size)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1


def test_frames_come_with_their_motion_and_poses() -> None:
    model, image = tiny_model(), noise(32)
    poses = poses_of(model, 2)
    rendered = EncodedSource(InferenceModel(model), image, noise(50)).render_frames(poses)
    assert rendered.images.shape == (2, 3, 50, 50)
    assert torch.equal(rendered.poses, poses)
    with torch.no_grad():
        motion = model.motion(image, model.keypoints(image), poses)
    assert torch.allclose(rendered.motion.deformation, motion.deformation, atol=1e-4)


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("size", [None, 50])
def test_a_moving_source_is_rendered_frame_by_frame(kind: str, size: int | None) -> None:
    inference_model = InferenceModel(tiny_model(CONFIGS[kind]))
    images = noise(32, batch=3)
    large = None if size is None else noise(size, batch=3, channels=4, seed=1)
    poses = poses_of(inference_model.model, 3)
    together = EncodedSource(inference_model, images, large)
    assert together.keypoints.shape == poses.shape
    rendered = together.render(poses)
    for number in range(3):
        one = slice(number, number + 1)
        alone = EncodedSource(inference_model, images[one], None if large is None else large[one])
        # Measured: 1e-4. The size of a batch changes results only by rounding.
        torch.testing.assert_close(alone.render(poses[one]), rendered[one], rtol=0, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 3, 40, 41), (1, 1, 40, 40), (2, 3, 40, 40)])
def test_a_wrong_large_source_is_an_error(shape: tuple[int, ...]) -> None:
    model = InferenceModel(tiny_model())
    with pytest.raises(DataError, match=r"large: expected \(1, 3 or 4, T, T\), got"):
        EncodedSource(model, noise(32), torch.zeros(shape))


def test_overflow_in_half_precision_is_rendered_again_at_full_size() -> None:
    model, image, large = tiny_model(), noise(32), noise(60)
    poses = poses_of(model, 2)
    expected = EncodedSource(InferenceModel(model), image, large).render(poses)
    calls = []

    def overflow(_: object, __: object, output: Tensor) -> Tensor:
        calls.append(output.dtype)
        return output * float("nan") if len(calls) == 1 else output

    model.generator.to_rgb.register_forward_hook(overflow)
    source = EncodedSource(InferenceModel(model, precision="fp16"), image, large)
    assert torch.equal(source.render(poses), expected)
    assert calls == [torch.float16, torch.float32]


def test_damaged_weights_are_an_error_at_full_size() -> None:
    model = tiny_model()
    torch.nn.init.constant_(model.generator.to_rgb.weight, float("nan"))
    source = EncodedSource(InferenceModel(model), noise(32), noise(60))
    with pytest.raises(CheckpointError, match="the model renders NaN or infinity"):
        source.render(poses_of(model, 1))


def test_squares_are_resized_for_the_networks_and_for_the_result() -> None:
    square = (noise(70)[0].permute(1, 2, 0) * 255).byte().numpy()
    model = InferenceModel(tiny_model())
    source = EncodedSource.from_squares(model, [square, square[::-1].copy()])
    assert torch.equal(source.image[:1], to_model_input(square, 32, CPU))
    assert source.large is not None
    assert np.array_equal(to_frames(source.large)[1], square[::-1])
    smaller = EncodedSource.from_squares(model, [square], 50)
    assert smaller.large is not None
    assert torch.equal(smaller.large, to_model_input(square, 50, CPU))
    assert EncodedSource.from_squares(model, [square], 32).large is None


def test_squares_with_alpha_are_put_on_the_matte() -> None:
    square = np.zeros((64, 64, 4), np.uint8)
    square[..., 0] = 200  # red, also below what is transparent
    square[16:48, 16:48, 3] = 255
    model = InferenceModel(tiny_model())
    source = EncodedSource.from_squares(model, [square], matte=(0.0, 0.0, 1.0))
    assert source.image[0, :, 2, 2].tolist() == [0, 0, 1]
    assert source.image[0, :, 16, 16].tolist() == [pytest.approx(200 / 255), 0, 0]
    assert source.large is not None
    assert np.array_equal(to_frames(source.large)[0][..., 3], square[..., 3])
    [still] = to_frames(source.render(source.keypoints))
    assert still.shape == (64, 64, 4)


def test_large_frames_are_converted_like_small_ones() -> None:
    images = noise(24, batch=3, channels=4)
    for frame, image in zip(to_frames(images), images, strict=True):
        expected = np.rint(image.permute(1, 2, 0).numpy() * 255)
        assert np.array_equal(frame, expected)


def test_a_result_is_close_to_the_enlarged_small_one_in_coarse_scales() -> None:
    """Detail changes no large areas: the mean colours of blocks stay those of the generator."""
    model, image = tiny_model(), noise(32)
    poses = poses_of(model, 2)
    small = EncodedSource(InferenceModel(model), image).render(poses)
    source = EncodedSource(InferenceModel(model), image, resize(image, 96))
    blocks = torch.nn.functional.avg_pool2d(source.render(poses), 24)
    difference = blocks - torch.nn.functional.avg_pool2d(small, 8)
    assert difference.abs().max() < 0.05  # Measured: 0.014
