"""What a CUDA device does in batches, computed on the CPU here."""

import numpy as np
import pytest
import torch
from _helpers.tiny_model import tiny_model

from cpabmm_core.inference import cuda_frames, inference_model
from cpabmm_core.inference.frames import to_frames

CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("batch", [1, 7])
def test_a_batch_becomes_the_same_frames_as_its_images(batch: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = 1.2 * torch.rand(batch, channels, 5, 9, generator=generator) - 0.1
    for tensor in (images, images.mT, images.contiguous(memory_format=torch.channels_last)):
        frames = cuda_frames.download(tensor)
        assert len(frames) == batch
        for frame, expected in zip(frames, to_frames(tensor), strict=True):
            assert frame.flags.c_contiguous
            np.testing.assert_array_equal(frame, expected)


def test_halves_are_rounded_as_elsewhere() -> None:
    levels = (torch.arange(256).view(1, 1, 16, 16) / 255).expand(1, 3, -1, -1)
    [frame] = cuda_frames.download(levels.bfloat16())
    np.testing.assert_array_equal(frame, to_frames(levels.bfloat16())[0])


@pytest.mark.parametrize(
    ("free_gib", "size", "expected"),
    [(80, 256, 32), (7.5, 256, 7), (0.2, 256, 1), (22, 512, 5), (3, 96, 21), (6, 96, 32)],
)
def test_batches_fit_into_the_memory_that_is_left(
    monkeypatch: pytest.MonkeyPatch, free_gib: float, size: int, expected: int
) -> None:
    free = int(free_gib * 2**30)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 2 * free))
    assert cuda_frames.batch_size(CUDA, size) == expected
    assert inference_model._default_batch_size(CUDA, size) == expected


def test_other_devices_keep_small_batches() -> None:
    assert inference_model._default_batch_size(torch.device("cpu"), 256) == 4
    assert inference_model._default_batch_size(torch.device("mps"), 256) == 4


def test_a_gpu_computes_a_batch_at_once() -> None:
    """The networks prepared for a CPU compute frame by frame, to keep its cores busy."""
    model = tiny_model()
    assert inference_model._networks(model, CUDA) is model
    assert inference_model._networks(model, torch.device("cpu")) is not model
