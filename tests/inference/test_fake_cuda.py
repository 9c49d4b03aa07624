"""The networks, the fits and the scores of the ablation on a fake CUDA device."""

import pytest
import torch
from _helpers.fake_cuda import fake_cuda
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from ablation.scores import reconstruct_part
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException

FAMILIES = {
    "cpab": tiny_config(),
    "tps": tiny_config(**{"model.motion": "tps"}),
    "fomm": tiny_affine_config(),
    "mraa": tiny_affine_config("pca"),
}


def images(count: int) -> Tensor:
    return torch.empty(count, 3, 32, 32, device="cuda")


@pytest.mark.parametrize("family", FAMILIES)
def test_rendering_never_waits_for_the_device(family: str) -> None:
    model = tiny_model(FAMILIES[family])
    with fake_cuda(), torch.no_grad():
        model.to("cuda")
        source, driving = images(1), images(3)
        kp_source, kp_driving = model.keypoints(source), model.keypoints(driving)
        motion = model.motion(source, kp_source, kp_driving)
        frames = model.generate(source, motion, model.generator.encode(source))
    assert frames.shape == driving.shape
    assert frames.device.type == "cuda"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_scores_of_the_ablation_stay_on_the_device(family: str) -> None:
    model = tiny_model(FAMILIES[family]).eval()
    with fake_cuda():
        model.to("cuda")
        part = reconstruct_part(model, images(1), images(3))
    found = (part.generated, part.keypoints, part.weights, *part.values.values())
    assert {tensor.device.type for tensor in found} == {"cuda"}


def test_a_wait_would_be_found() -> None:
    with fake_cuda(), pytest.raises(DataDependentOutputException):
        bool(images(1).isfinite().all())
