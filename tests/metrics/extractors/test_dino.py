import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from _helpers.frozen_nets import VIT_SIDE as SIDE
from _helpers.frozen_nets import VIT_WIDTH as WIDTH
from _helpers.frozen_nets import tiny_vit
from huggingface_hub import constants
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics.extractors import (
    EmbeddingExtractor,
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
)

OFFLINE = Request(device="cpu", allow_download=False)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> VisionTransformer:
    """A tiny network; timm creates one with other weights under DINO's name."""

    def create_model(name: str, **_: object) -> VisionTransformer:
        assert name == "vit_base_patch8_224.dino"
        return tiny_vit(seed=5)

    monkeypatch.setattr(timm, "create_model", create_model)
    return tiny_vit(seed=0).eval()


@pytest.fixture
def extractor(network: VisionTransformer, tmp_path: Path) -> EmbeddingExtractor:
    save_file(network.state_dict(), tmp_path / "dino.safetensors")
    return open_embedding_extractor(f"dino?weights={tmp_path}/dino.safetensors", OFFLINE)


def frames(count: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def tokens_step_by_step(transformer: VisionTransformer, images: np.ndarray) -> np.ndarray:
    """Compute the class token block by block; it is the first token."""
    network: Any = transformer
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = torch.tensor((images / 255 - mean) / std).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        patches: Tensor = network.patch_embed(pixels)
        first = network.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat((first, patches), dim=1) + network.pos_embed
        for block in network.blocks:
            tokens = block(tokens)
        token: np.ndarray = network.norm(tokens)[:, 0].double().numpy()
    return token


def test_the_class_token_is_the_identity(
    extractor: EmbeddingExtractor, network: VisionTransformer
) -> None:
    images = frames(3)
    found = extractor.embeddings(images)
    assert found.shape == (3, WIDTH)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, tokens_step_by_step(network, images), atol=1e-5)
    assert extractor.embeddings(frames(0)).shape == (0, WIDTH)


def test_frames_are_independent(extractor: EmbeddingExtractor) -> None:
    images = frames(4, 21, 33)
    alone = np.concatenate([extractor.embeddings(images[[index]]) for index in range(4)])
    np.testing.assert_array_equal(extractor.embeddings(images), alone)


def test_frames_of_any_size_are_resized_to_a_square(
    extractor: EmbeddingExtractor, network: VisionTransformer
) -> None:
    """A constant frame stays constant, and halves stay halves."""
    small = frames(1)
    even = np.full((1, 2 * SIDE, 3 * SIDE, 3), 77, dtype=np.uint8)
    expected = tokens_step_by_step(network, np.full_like(small, 77))
    np.testing.assert_allclose(extractor.embeddings(even), expected, atol=1e-5)
    half = np.full((1, SIDE, SIDE, 3), 200, dtype=np.uint8)
    half[:, :, : SIDE // 2] = 0
    tall = half.repeat(4, axis=1)
    np.testing.assert_allclose(extractor.embeddings(tall), extractor.embeddings(half), atol=1e-5)


def test_info_describes_the_file(extractor: EmbeddingExtractor, tmp_path: Path) -> None:
    content = (tmp_path / "dino.safetensors").read_bytes()
    assert extractor.info.as_dict() == {
        "name": "dino",
        "version": f"1, timm {timm.__version__}",
        "weights": hashlib.sha256(content).hexdigest(),
        "options": {},
    }


def test_missing_weights_are_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(ConfigError) as caught:
        open_embedding_extractor("dino", OFFLINE)
    message = str(caught.value)
    assert "\n" not in message
    assert "timm/vit_base_patch8_224.dino" in message
    assert message.endswith("downloads are off; give its path as dino?weights=PATH")


def test_wrong_options_and_files_are_errors(network: VisionTransformer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dino: unknown option size; it takes weights"):
        open_embedding_extractor("dino?size=224", OFFLINE)
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match=r"other\.safetensors: not vit_base_patch8_224"):
        open_embedding_extractor(f"dino?weights={path}", OFFLINE)
    save_file(network.state_dict(), path)
    with pytest.raises(ConfigError, match="is not an extractor of keypoints"):
        open_keypoint_extractor(f"dino?weights={path}", OFFLINE)
