"""The discriminator against FOMM's architecture, written with plain functions."""

from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from _helpers.tiny_model import tiny_affine_config, tiny_config
from torch import Tensor, nn

from cpabmm_core.config import config_from_dict
from cpabmm_core.errors import ConfigError
from cpabmm_core.models.build import build_discriminator
from cpabmm_core.models.discriminator import Discriminator, smallest_side

KEYPOINTS = torch.tensor([[[0.0, 0.5], [-0.25, 0.0]]])  # (1, 2, 2)


def discriminator(**options: object) -> Discriminator:
    """Build a small discriminator, for frames of at least 29 pixels."""
    sizes = {"keypoints": 0, "block_expansion": 4, "max_features": 12, "blocks": 3}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Discriminator(**{**sizes, "spectral_norm": True, **options})  # type: ignore[arg-type]


def frames(batch: int = 1, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def largest_singular_values(network: Discriminator) -> list[float]:
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    return [float(torch.linalg.svdvals(c.weight.detach().flatten(1))[0]) for c in convolutions]


def reference_output(network: Discriminator, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Convolution, instance norm (not in block 1), leaky ReLU, pooling (not in the last block)."""
    features, blocks = [], cast("Any", network.blocks)
    for number, block in enumerate(blocks):
        x = F.conv2d(x, block.conv.weight, block.conv.bias)
        if number > 0:
            mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
            scale, shift = block.norm.weight[:, None, None], block.norm.bias[:, None, None]
            x = (x - mean) / (variance + 1e-5).sqrt() * scale + shift
        x = torch.where(x < 0, 0.2 * x, x)
        if number < len(network.blocks) - 1:
            batch, channels, height, width = x.shape
            x = x[..., : height // 2 * 2, : width // 2 * 2]  # an odd row or column is dropped
            x = x.reshape(batch, channels, height // 2, 2, width // 2, 2).mean((3, 5))
        features.append(x)
    last = network.to_realness
    return features, F.conv2d(x, last.weight, last.bias)


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_output_agrees_with_fomms_architecture(spectral_norm: bool) -> None:
    network = discriminator(spectral_norm=spectral_norm).eval()
    x = frames(2, 35, 40)  # 35 -> 32 -> 16 -> 13 -> 6 -> 3, 40 -> 37 -> 18 -> 15 -> 7 -> 4
    output = network(x, KEYPOINTS)
    features, realness = reference_output(network, x)
    shapes = [tuple(level.shape[1:]) for level in output.features]
    assert shapes == [(8, 16, 18), (12, 6, 7), (12, 3, 4)]
    for mine, expected in zip(output.features, features, strict=True):
        assert torch.allclose(mine, expected, atol=1e-5)
    assert output.realness.shape == (2, 1, 3, 4)
    assert torch.allclose(output.realness, realness, atol=1e-5)


def test_default_sizes_are_the_published_ones_for_mgif() -> None:
    """block_expansion 32, max_features 512, 4 blocks, spectral norm, no keypoints."""
    network = build_discriminator(config_from_dict({}, "defaults")).eval()
    with torch.inference_mode():
        output = network(frames(1, 256, 256), KEYPOINTS)
    shapes = [tuple(level.shape) for level in output.features]
    assert shapes == [(1, 64, 126, 126), (1, 128, 61, 61), (1, 256, 29, 29), (1, 512, 26, 26)]
    assert output.realness.shape == (1, 1, 26, 26)
    weights = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 512
    biases, norms = 64 + 128 + 256 + 512 + 1, 2 * (128 + 256 + 512)
    assert sum(p.numel() for p in network.parameters()) == weights + biases + norms


def test_spectral_norms_converge_to_one() -> None:
    network = discriminator().train()
    for _ in range(200):
        with torch.no_grad():
            network(frames(), KEYPOINTS)
    assert largest_singular_values(network) == pytest.approx([1.0] * 4, abs=1e-3)
    plain = largest_singular_values(discriminator(spectral_norm=False))
    assert max(abs(value - 1) for value in plain) > 0.1


def test_spectral_norms_are_computed_in_float32() -> None:
    network = discriminator().train()
    dtypes: list[torch.dtype] = []
    parametrization = cast("Any", network.blocks[0]).conv.parametrizations.weight[0]

    def note(*_: object) -> None:
        dtypes.append(torch.mm(torch.eye(2), torch.eye(2)).dtype)  # the type under autocast

    parametrization.register_forward_hook(note)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(frames(), KEYPOINTS)
    assert dtypes == [torch.float32]  # once per forward pass
    assert output.realness.dtype == torch.bfloat16


def test_keypoints_are_shown_as_heatmaps_of_variance_0_01() -> None:
    network = discriminator(keypoints=2, spectral_norm=False).eval()
    x, steps = frames(), torch.linspace(-1, 1, 32)
    y, across = torch.meshgrid(steps, steps, indexing="ij")
    heatmaps = [torch.exp(-((across - px) ** 2 + (y - py) ** 2) / 0.02) for px, py in KEYPOINTS[0]]
    shown = torch.cat((x, torch.stack(heatmaps)[None]), dim=1)
    expected = reference_output(network, shown)[1]
    assert torch.allclose(network(x, KEYPOINTS).realness, expected, atol=1e-5)
    assert not torch.allclose(network(x, -KEYPOINTS).realness, expected, atol=1e-3)


def test_it_takes_as_many_keypoints_as_the_model_has() -> None:
    changes: dict[str, object] = {"losses.discriminator": {"keypoints": True, "blocks": 2}}
    for config, count in ((tiny_affine_config(**changes), 4), (tiny_config(**changes), 6)):
        first = next(m for m in build_discriminator(config).modules() if isinstance(m, nn.Conv2d))
        assert first.in_channels == 3 + count


@pytest.mark.parametrize("blocks", [1, 2, 3, 4])
def test_smallest_side_is_sharp(blocks: int) -> None:
    network, side = discriminator(blocks=blocks), smallest_side(blocks)
    assert network(frames(1, side, side), KEYPOINTS).realness.isfinite().all()
    with pytest.raises((RuntimeError, ValueError)):
        network(frames(1, side - 1, side - 1), KEYPOINTS)


def test_frames_too_small_for_it_are_an_error() -> None:
    message = (
        "losses.discriminator.blocks: 4 blocks need frames of at least 61 pixels, "
        "but data.frame_size is 32"
    )
    with pytest.raises(ConfigError, match=message):
        build_discriminator(tiny_config())
