from pathlib import Path

import pytest
import torch
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint import open_checkpoint, save_checkpoint
from cpabmm_core.models.backbones import build_pooled_backbone
from cpabmm_core.models.background import BackgroundPredictor, RegisteredBackground


def test_background_is_at_rest_before_training() -> None:
    predictor = BackgroundPredictor(*build_pooled_backbone("test_efficientnet", 6))
    frames = torch.rand(2, 2, 3, 32, 32)
    assert torch.equal(predictor(frames[0], frames[1]), torch.eye(3).expand(2, 3, 3))


def test_background_depends_on_both_frames_and_keeps_its_last_row() -> None:
    predictor = BackgroundPredictor(*build_pooled_backbone("test_efficientnet", 6)).eval()
    torch.nn.init.normal_(predictor.linear.weight)
    source, driving, other = torch.rand(3, 1, 3, 32, 32)
    matrix = predictor(source, driving)
    assert torch.equal(matrix[:, 2], torch.tensor([[0.0, 0.0, 1.0]]))
    assert not torch.allclose(matrix, predictor(source, other))
    assert not torch.allclose(matrix, predictor(other, driving))


def test_a_registered_background_is_found_and_has_no_weights() -> None:
    model = tiny_model(tiny_config(**{"model.background": {"backbone": "registration"}}))
    coarse = torch.rand(1, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    scene = torch.nn.functional.interpolate(coarse, (32, 36), mode="bicubic").clamp(0, 1)
    matrix = model.background(scene[..., :32], scene[..., 2:34])  # the camera pans two pixels
    assert matrix is not None
    assert matrix[0, 0, 2].item() * 31 / 2 == pytest.approx(2, abs=0.1)
    assert model.background_predictor is not None
    assert not list(model.background_predictor.parameters())


def test_a_model_with_a_registered_background_is_saved_and_loaded(tmp_path: Path) -> None:
    config = tiny_config(**{"model.background": {"backbone": "registration"}})
    save_checkpoint(tmp_path / "model.safetensors", tiny_model(config), config, record={})
    loaded = open_checkpoint(tmp_path / "model.safetensors").model
    assert isinstance(loaded.background_predictor, RegisteredBackground)
