from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from _helpers.tiny_sam import CHANNELS, tiny_sam
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.geometry.coordinates import from_pixels
from cpabmm_core.models.frozen import sam as sam_module
from cpabmm_core.models.frozen.sam import (
    SAM_FILES,
    SamFeatures,
    SamModel,
    load_sam,
    to_sam_pixels,
)
from cpabmm_core.models.frozen.sam_resize import resize_sam
from cpabmm_core.precision import Precision


def random_images(batch: int = 2, height: int = 24, width: int = 24, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=generator)


def random_keypoints(batch: int = 2, count: int = 5, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(batch, count, 2, generator=generator) - 1


def encoder_inputs(sam: Sam, action: Callable[[], object]) -> Tensor:
    """Return the input of the image encoder while `action` runs."""
    seen: list[Tensor] = []
    hook = sam.image_encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    action()
    hook.remove()
    return torch.cat(seen)


def tokens_by_the_library(sam: Sam, embedding: Tensor, coords: Tensor) -> Tensor:
    """Return (N, C) for one image from a hook on the transformer while SAM predicts masks."""
    heard: list[Tensor] = []
    transformer = sam.mask_decoder.transformer
    hook = transformer.register_forward_hook(lambda _, __, output: heard.append(output[0]))
    labels = torch.ones(1, len(coords))
    sparse, dense = sam.prompt_encoder(points=(coords[None], labels), boxes=None, masks=None)
    sam.mask_decoder.predict_masks(embedding, sam.prompt_encoder.get_dense_pe(), sparse, dense)
    hook.remove()
    iou_and_masks, count = 1 + 4, len(coords)
    return heard[0][0, iou_and_masks : iou_and_masks + count]


@pytest.mark.parametrize(("height", "width"), [(24, 24), (24, 40), (96, 96), (130, 97)])
def test_the_encoders_input_agrees_with_the_librarys_predictor(height: int, width: int) -> None:
    sam = tiny_sam()
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    theirs = encoder_inputs(sam, lambda: SamPredictor(sam).set_image(image))
    mine = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    ours = encoder_inputs(sam, lambda: SamFeatures(sam).embed_images(mine))
    grey_level = 1 / 57  # of 255, normalised; the library rounds to whole levels once per axis
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1.5 * grey_level


@pytest.mark.parametrize("image_size", [96, 48])
@pytest.mark.parametrize(("height", "width"), [(24, 24), (24, 40)])
def test_tokens_equal_those_of_the_librarys_decoder(
    image_size: int, height: int, width: int
) -> None:
    sam = tiny_sam()
    resize_sam(sam, image_size)
    features = SamFeatures(sam)
    images, keypoints = random_images(3, height, width), random_keypoints(3)
    embedding = features.embed_images(images)
    assert embedding.shape == (3, CHANNELS, image_size // 16, image_size // 16)
    tokens = features.keypoint_tokens(embedding, keypoints, (height, width))
    for index in range(3):
        fitted = ResizeLongestSide.get_preprocess_shape(height, width, image_size)
        one = images[index : index + 1]
        resized = F.interpolate(one, fitted, mode="bilinear", antialias=True)
        alone = sam.image_encoder(sam.preprocess(255 * resized))
        torch.testing.assert_close(embedding[index : index + 1], alone)
        pixels = (keypoints[index] + 1) / 2 * torch.tensor([width - 1, height - 1])
        scale = torch.tensor([fitted[1] / width, fitted[0] / height])
        expected = tokens_by_the_library(sam, alone, (pixels + 0.5) * scale - 0.5)
        torch.testing.assert_close(tokens[index], expected, atol=1e-5, rtol=1e-5)


def test_a_large_batch_is_embedded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    features, images = SamFeatures(tiny_sam()), random_images(5)
    whole = features.embed_images(images)
    monkeypatch.setattr(sam_module, "_PATCHES_AT_ONCE", 2 * 36)
    calls: list[int] = []
    features.sam.image_encoder.register_forward_pre_hook(
        lambda _, inputs: calls.append(len(inputs[0]))
    )
    torch.testing.assert_close(features.embed_images(images), whole)
    assert calls == [2, 2, 1]


@pytest.mark.parametrize("image_size", [48, 96, 1024])
def test_a_pixel_keeps_its_place_in_sams_frame(image_size: int) -> None:
    """The library scales positions; the centre of pixel k is at k + 0.5 from the edge."""
    for height, width in ((24, 24), (24, 40)):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        pixels = torch.stack([x, y], dim=-1).double()
        mine = to_sam_pixels(from_pixels(pixels, height, width), (height, width), image_size)
        theirs = ResizeLongestSide(image_size).apply_coords((pixels + 0.5).numpy(), (height, width))
        torch.testing.assert_close(mine, torch.from_numpy(theirs))


def test_a_keypoint_lies_on_the_same_image_content() -> None:
    """A single bright pixel, resized as the images are, has its centre of mass at the keypoint.

    To 0.02 of a pixel, as the resized light is sampled; without the halves it were 0.7.
    """
    features, size, pixel = SamFeatures(tiny_sam()), (24, 40), torch.tensor([13.0, 7.0])
    image = torch.zeros(2, 3, *size)
    image[1, :, 7, 13] = 1
    dark, lit = encoder_inputs(features.sam, lambda: features.embed_images(image)).double()[:, 0]
    light = (lit - dark) / (lit - dark).sum()
    centres = torch.arange(96).double() + 0.5
    measured = torch.stack([light.sum(dim=0) @ centres, light.sum(dim=1) @ centres])
    keypoint = from_pixels(pixel.double(), *size)
    torch.testing.assert_close(to_sam_pixels(keypoint, size, 96), measured, atol=0.05, rtol=0)


def test_tokens_are_differentiable_in_the_keypoints_only() -> None:
    features = SamFeatures(tiny_sam()).double()
    embedding = features.embed_images(random_images().double())
    assert not embedding.requires_grad
    keypoints = random_keypoints(count=2).double().requires_grad_()

    def tokens(points: Tensor) -> Tensor:
        return features.keypoint_tokens(embedding, points, (24, 24))

    assert torch.autograd.gradcheck(tokens, keypoints)
    tokens(keypoints)[0, 0, 0].backward()
    assert keypoints.grad is not None
    assert (keypoints.grad[0] != 0).all()
    assert (keypoints.grad[1] == 0).all()  # the images of a batch are independent
    assert all(parameter.grad is None for parameter in features.parameters())


def test_stays_frozen_and_in_eval_mode() -> None:
    features = SamFeatures(tiny_sam())
    assert not any(p.requires_grad for p in features.parameters())
    assert not any(part.training for part in features.train().modules())


@pytest.mark.parametrize(("precision", "error"), [("bf16", 0.03), ("fp16", 0.004)])
def test_half_precision_applies_to_the_encoder_only(precision: Precision, error: float) -> None:
    """Measured: 0.010 and 0.0013, for embeddings of standard deviation 1."""
    images, keypoints = random_images(), random_keypoints()
    exact, half = SamFeatures(tiny_sam()), SamFeatures(tiny_sam(), precision)
    wanted, embedding = exact.embed_images(images), half.embed_images(images)
    assert embedding.dtype == torch.float32
    assert 0 < (embedding - wanted).abs().mean() < error
    # From the same embedding the decoder computes the same tokens, even under bf16 autocast.
    with torch.autocast("cpu", torch.bfloat16):
        tokens = half.keypoint_tokens(wanted, keypoints, (24, 24))
        torch.testing.assert_close(exact.embed_images(images), wanted, atol=0, rtol=0)
    expected = exact.keypoint_tokens(wanted, keypoints, (24, 24))
    torch.testing.assert_close(tokens, expected, atol=0, rtol=0)


def test_the_trained_size_changes_nothing() -> None:
    resized = tiny_sam()
    resize_sam(resized, 96)
    for name, tensor in tiny_sam().state_dict().items():
        torch.testing.assert_close(resized.state_dict()[name], tensor, atol=0, rtol=0)


@pytest.mark.parametrize("image_size", [48, 80, 160])
def test_another_size_equals_a_model_built_for_it(image_size: int) -> None:
    """Its position tables are interpolated; those of the windows are unchanged."""
    cells = image_size // 16
    sam, built = tiny_sam(), tiny_sam(image_size=image_size)
    state = sam.state_dict()
    table = state["image_encoder.pos_embed"].permute(0, 3, 1, 2)
    table = F.interpolate(table, (cells, cells), mode="bicubic", antialias=True)
    state["image_encoder.pos_embed"] = table.permute(0, 2, 3, 1)
    for axis in "hw":
        name = f"image_encoder.blocks.1.attn.rel_pos_{axis}"
        relative = F.interpolate(state[name].T[None], 2 * cells - 1, mode="linear")
        state[name] = relative[0].T
    built.load_state_dict(state)
    resize_sam(sam, image_size)
    mine, theirs = SamFeatures(sam), SamFeatures(built)
    images, keypoints = random_images(), random_keypoints()
    embedding = mine.embed_images(images)
    torch.testing.assert_close(embedding, theirs.embed_images(images))
    torch.testing.assert_close(
        mine.keypoint_tokens(embedding, keypoints, (24, 24)),
        theirs.keypoint_tokens(embedding, keypoints, (24, 24)),
    )
    assert sam.prompt_encoder.mask_input_size == built.prompt_encoder.mask_input_size


@pytest.mark.parametrize(("image_size", "cure"), [(500, "496 or 512"), (8, "16 or 32")])
def test_sizes_that_are_not_multiples_of_the_patch_are_errors(image_size: int, cure: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^losses\.sam\.image_size: .* got {image_size}; .*{cure}$"
    ):
        resize_sam(tiny_sam(), image_size)


@pytest.fixture
def _small_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three models with different widths, like the real ones."""
    for width, name in ((16, "vit_b"), (24, "vit_l"), (32, "vit_h")):
        monkeypatch.setitem(sam_model_registry, name, lambda width=width: tiny_sam(width=width))


def saved(folder: Path, state: object) -> Path:
    path = folder / "sam.pth"
    torch.save(state, path)
    return path


@pytest.mark.usefixtures("_small_registry")
def test_loading_reads_the_model_and_consumes_no_random_numbers(tmp_path: Path) -> None:
    sam = tiny_sam(seed=3)
    path = saved(tmp_path, sam.state_dict())
    before = torch.random.get_rng_state()
    loaded = load_sam(path, image_size=96)
    assert torch.equal(torch.random.get_rng_state(), before)
    images = random_images()
    wanted = SamFeatures(sam).embed_images(images)
    torch.testing.assert_close(loaded.embed_images(images), wanted, atol=0, rtol=0)
    assert load_sam(path, image_size=48).embed_images(images).shape[2:] == (3, 3)
    rough = load_sam(path, image_size=96, precision="bf16").embed_images(images)
    assert not torch.equal(rough, wanted)


@pytest.mark.usefixtures("_small_registry")
@pytest.mark.parametrize(("width", "model"), [(24, "vit_l"), (32, "vit_h")])
def test_a_wrong_variant_is_named(tmp_path: Path, width: int, model: str) -> None:
    path = saved(tmp_path, tiny_sam(width=width).state_dict())
    message = (
        f"{path}: holds Segment Anything's {model}, not vit_b; set losses.sam.model to {model} or "
        "provide sam_vit_b_01ec64.pth"
    )
    with pytest.raises(CheckpointError) as caught:
        load_sam(path, "vit_b", image_size=96)
    assert str(caught.value) == message


@pytest.mark.usefixtures("_small_registry")
def test_the_first_differences_are_named(tmp_path: Path) -> None:
    state = tiny_sam().state_dict()
    del state["mask_decoder.iou_token.weight"]
    state["extra"] = torch.zeros(1)
    path = saved(tmp_path, state)
    with pytest.raises(CheckpointError, match=r"sam\.pth: .* vit_b.*iou_token\.weight.*extra"):
        load_sam(path, image_size=96)


def web_page(path: Path) -> None:
    path.write_text("\n<!DOCTYPE html><html>404</html>")


def cut_in_half(path: Path) -> None:
    torch.save(tiny_sam().state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def pickled_object(path: Path) -> None:
    torch.save({"weights": Path("harmless")}, path)


def nested(path: Path) -> None:
    torch.save({"model": tiny_sam().state_dict()}, path)


def nothing(path: Path) -> None:
    """Leave the file missing."""


@pytest.mark.parametrize("make", [web_page, cut_in_half, pickled_object, nested, nothing])
def test_a_file_of_another_kind_is_a_one_line_error(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "sam.pth"
    make(path)
    with pytest.raises(CheckpointError, match=rf"^{path}: ") as caught:
        load_sam(path, "vit_l")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", SAM_FILES)
def test_the_stated_sizes_fit_the_architectures(model: SamModel) -> None:
    with torch.device("meta"):
        tensors = sam_model_registry[model]().state_dict().values()
    file = SAM_FILES[model]
    assert file.megabytes == pytest.approx(4e-6 * sum(t.numel() for t in tensors), rel=1e-3)
    assert file.name.startswith(f"sam_{model}_")
