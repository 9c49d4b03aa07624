"""The networks and the fits on a CUDA device that exists only as shapes, dtypes and devices.

PyTorch's fake tensors refuse what a device would have to wait for, such as a branch on a value, and
operands on different devices. So this finds what breaks on a GPU or in a CUDA graph, but no wrong
value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from cpabmm_core.cpab.engines import first_use

FAMILIES = {
    "cpab": tiny_config(),
    "tps": tiny_config(**{"model.motion": "tps"}),
    "fomm": tiny_affine_config(),
    "mraa": tiny_affine_config("pca"),
}


@pytest.fixture(autouse=True)
def _engine_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SimpleNamespace(
        __name__="fake",
        product=lambda a, b: a @ b,
        forward=lambda _, maps, points, record: (torch.empty_like(points),) * 2,
        jacobian=lambda _, maps, points, fields: (
            torch.empty_like(points),
            points.new_empty(*points.shape, len(fields)),
        ),
    )
    monkeypatch.setattr(first_use, "engine_on_cuda", lambda _: engine)


@contextmanager
def fake_cuda() -> Iterator[None]:
    # cuDNN's samplers have no shape rules for fake tensors; PyTorch's own have.
    with FakeTensorMode(allow_non_fake_inputs=True), torch.backends.cudnn.flags(enabled=False):
        yield


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


def test_a_wait_would_be_found() -> None:
    with fake_cuda(), pytest.raises(DataDependentOutputException):
        bool(images(1).isfinite().all())
