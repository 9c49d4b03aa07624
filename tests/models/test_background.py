import torch

from cpabmm_core.models.backbones import build_pooled_backbone
from cpabmm_core.models.background import BackgroundPredictor


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
