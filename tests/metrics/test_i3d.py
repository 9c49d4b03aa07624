from pathlib import Path

import pytest
import torch
from _helpers.random_tensors import random_tensors
from torch import Tensor
from torch.nn import functional as F

from cpabmm_core.errors import CheckpointError
from cpabmm_core.metrics.i3d import I3D_FILE, I3d, load_i3d, pad_same

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    with torch.device("meta"):
        wanted = I3d().state_dict()
    return random_tensors(wanted)


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """The equivalent formula for SAME in TensorFlow's documentation."""
    rest = size % stride or stride
    missing = max(kernel - rest, 0)
    return missing // 2, (missing + 1) // 2


def padded(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    sides = [padding(*one) for one in zip(x.shape[2:], kernel, stride, strict=True)]
    return F.pad(x, (*sides[2], *sides[1], *sides[0]))


@pytest.mark.parametrize("size", range(7, 21))
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (3, 1), (2, 2), (1, 2), (1, 1)])
def test_padding_is_tensorflows(size: int, kernel: int, stride: int) -> None:
    x = torch.rand(1, 1, size, size + 1, size + 2)
    same = pad_same(x, (kernel,) * 3, (stride,) * 3)
    assert torch.equal(same, padded(x, (kernel,) * 3, (stride,) * 3))
    outputs = [(side - kernel) // stride + 1 for side in same.shape[2:]]
    assert outputs == [-(-side // stride) for side in x.shape[2:]]


def test_padding_of_each_axis_is_its_own() -> None:
    same = pad_same(torch.ones(1, 1, 4, 5, 6), (1, 3, 2), (1, 2, 2))
    assert same.shape == (1, 1, 4, 7, 6)
    assert torch.equal(same[0, 0, 0, :, 0], torch.tensor([0.0, 1, 1, 1, 1, 1, 0]))


def unit(x: Tensor, name: str, tensors: Tensors, stride: int = 1) -> Tensor:
    weight = tensors[f"{name}.conv3d.weight"]
    x = F.conv3d(padded(x, weight.shape[2:], (stride,) * 3), weight, stride=stride)
    mean, variance, scale, shift = (
        tensors[f"{name}.bn.{part}"].view(-1, 1, 1, 1)
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return F.relu((x - mean) / (variance + 1e-5).sqrt() * scale + shift)


def pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return F.max_pool3d(padded(x, kernel, stride), kernel, stride)


def mixed(x: Tensor, name: str, tensors: Tensors) -> Tensor:
    def branch(x: Tensor, *parts: str) -> Tensor:
        for part in parts:
            x = unit(x, f"{name}.{part}", tensors)
        return x

    pooled = pool(x, (3, 3, 3), (1, 1, 1))
    branches = [
        branch(x, "b0"),
        branch(x, "b1a", "b1b"),
        branch(x, "b2a", "b2b"),
        branch(pooled, "b3b"),
    ]
    return torch.cat(branches, 1)


def logits_of(x: Tensor, tensors: Tensors) -> Tensor:
    """The network of the paper's Figure 3, step by step."""
    x = pool(unit(x, "Conv3d_1a_7x7", tensors, 2), (1, 3, 3), (1, 2, 2))
    x = unit(unit(x, "Conv3d_2b_1x1", tensors), "Conv3d_2c_3x3", tensors)
    x = pool(x, (1, 3, 3), (1, 2, 2))
    x = mixed(mixed(x, "Mixed_3b", tensors), "Mixed_3c", tensors)
    x = pool(x, (3, 3, 3), (2, 2, 2))
    for letter in "bcdef":
        x = mixed(x, f"Mixed_4{letter}", tensors)
    x = pool(x, (2, 2, 2), (2, 2, 2))
    x = mixed(mixed(x, "Mixed_5b", tensors), "Mixed_5c", tensors)
    assert x.shape[1:] == (1024, x.shape[2], 7, 7)
    steps = [x[:, :, start : start + 2].mean((2, 3, 4)) for start in range(x.shape[2] - 1)]
    weight, bias = tensors["logits.conv3d.weight"][:, :, 0, 0, 0], tensors["logits.conv3d.bias"]
    return torch.stack([step @ weight.T + bias for step in steps]).mean(0)


def test_logits_agree_with_a_plain_computation(tensors: Tensors, tmp_path: Path) -> None:
    torch.save(tensors, tmp_path / "i3d.pt")
    network = load_i3d(tmp_path / "i3d.pt").train()
    clips = torch.rand(1, 3, 17, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    got = network(clips)
    assert got.shape == (1, 400)
    assert got.std() > 0.1
    # Measured error: 3e-4, with 57 float32 layers and logits of standard deviation 1.
    assert (got - logits_of(clips, tensors)).abs().max() < 2e-3 * got.std()


def test_tensor_names_and_sizes_are_the_published_ones(tensors: Tensors) -> None:
    """57 convolutions with normalisation, and the last layer."""
    assert len(tensors) == 57 * 6 + 2
    assert tensors["Conv3d_1a_7x7.conv3d.weight"].shape == (64, 3, 7, 7, 7)
    assert tensors["Mixed_4f.b2b.conv3d.weight"].shape == (128, 32, 3, 3, 3)
    assert tensors["Mixed_5c.b3b.bn.running_var"].shape == (128,)
    assert tensors["logits.conv3d.weight"].shape == (400, 1024, 1, 1, 1)
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    assert round(size / 1e6) == I3D_FILE.megabytes


def test_files_without_batch_counters_are_read(tensors: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    kept = {name: value for name, value in tensors.items() if "num_batches" not in name}
    torch.save(kept, path)
    loaded = load_i3d(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in kept.items())

    del kept["Mixed_4c.b0.bn.bias"]
    torch.save(kept, path)
    with pytest.raises(CheckpointError, match=r"old\.pt: not I3D .* \(no Mixed_4c\.b0\.bn\.bias\)"):
        load_i3d(path)
