from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from _helpers.frozen_nets import VIT_HEADS as HEADS
from _helpers.frozen_nets import VIT_PATCH as PATCH
from _helpers.frozen_nets import VIT_SIDE as SIDE
from _helpers.frozen_nets import VIT_WIDTH as WIDTH
from _helpers.frozen_nets import tiny_vit
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.models.frozen.dino import DINO_FILES, DinoKeys, dino_file, load_dino
from cpabmm_core.models.frozen.weights import find_weights

NAME = "vit_small_patch16_224.dino"


def images(batch: int = 2, size: int = SIDE) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(batch))


def normalised(image: Tensor) -> Tensor:
    mean = image.new_tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = image.new_tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (image - mean) / std


def keys_by_hook(network: VisionTransformer, image: Tensor) -> Tensor:
    """Return the keys of the last block from a forward pass of the whole network, by a hook."""
    caught: list[Tensor] = []
    block: Any = network.blocks[-1]
    handle = block.attn.qkv.register_forward_hook(lambda _, __, output: caught.append(output))
    network.eval()(normalised(image))
    handle.remove()
    batch, tokens, _ = caught[0].shape
    parts = caught[0].view(batch, tokens, 3, HEADS, -1)
    return parts[:, :, 1].reshape(batch, tokens, -1)


def test_keys_are_those_of_the_last_block() -> None:
    network = tiny_vit()
    keys = DinoKeys(network)(images())
    assert keys.shape == (2, 1 + (SIDE // PATCH) ** 2, WIDTH)
    torch.testing.assert_close(keys, keys_by_hook(network, images()))


def test_keys_are_taken_after_their_norm() -> None:
    network = tiny_vit(qk_norm=True)
    raw = keys_by_hook(network, images()).unflatten(-1, (HEADS, -1))
    block: Any = network.blocks[-1]
    expected = block.attn.k_norm(raw).flatten(-2)
    torch.testing.assert_close(DinoKeys(network)(images()), expected)


def test_the_rest_of_the_last_block_is_not_computed() -> None:
    network = tiny_vit()
    ran: list[str] = []
    network.blocks[-2].register_forward_hook(lambda *_: ran.append("second last"))
    last: Any = network.blocks[-1]
    last.attn.proj.register_forward_hook(lambda *_: ran.append("last"))
    DinoKeys(network)(images())
    assert ran == ["second last"]


def test_images_of_any_size_are_resized() -> None:
    """Every eighth column is white; without antialiasing the image would become black."""
    dino = DinoKeys(tiny_vit())
    even = torch.full((1, 3, 50, 30), 0.3)
    torch.testing.assert_close(dino(even), dino(torch.full((1, 3, SIDE, SIDE), 0.3)))
    stripes = torch.zeros(1, 3, 8 * SIDE, 8 * SIDE)
    stripes[..., 2::8] = 1
    grey = dino(torch.full((1, 3, SIDE, SIDE), 1 / 8))
    black = dino(torch.zeros(1, 3, SIDE, SIDE))
    assert (dino(stripes) - grey).abs().mean() < (black - grey).abs().mean() / 3  # the edges differ


def test_gradient_reaches_the_image_only() -> None:
    dino = DinoKeys(tiny_vit()).double().train()
    assert not dino.training
    image = images(1, 12).double().requires_grad_()
    assert torch.autograd.gradcheck(dino, image, fast_mode=True)
    dino(image).square().sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in dino.parameters())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> VisionTransformer:
    """Return a tiny network, and let timm create networks like it for every name."""
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: tiny_vit(seed=5))
    return tiny_vit(seed=0)


def load(path: Path) -> DinoKeys:
    return load_dino(NAME, path)


def test_both_published_formats_are_read(small: VisionTransformer, tmp_path: Path) -> None:
    state = small.state_dict()
    other = tiny_vit(seed=7).state_dict()
    save_file(state, tmp_path / "timm.safetensors")
    torch.save(state, tmp_path / "authors.pth")
    head = {"module.head.mlp.0.weight": torch.ones(2)}
    full = {
        "teacher": {**{f"module.backbone.{name}": v for name, v in state.items()}, **head},
        "student": {f"module.backbone.{name}": value for name, value in other.items()},
        "epoch": 3,
    }
    torch.save(full, tmp_path / "full.pth")
    expected, rng_state = DinoKeys(small)(images()), torch.random.get_rng_state()
    for name in ("timm.safetensors", "authors.pth", "full.pth"):
        torch.testing.assert_close(load(tmp_path / name)(images()), expected)
    assert torch.equal(torch.random.get_rng_state(), rng_state)


def test_options_in_a_full_checkpoint_do_not_matter(
    small: VisionTransformer, tmp_path: Path
) -> None:
    from argparse import Namespace

    content = {"teacher": small.state_dict(), "args": Namespace(arch="vit_base", lr=[1.0])}
    torch.save(content, tmp_path / "full.pth")
    torch.testing.assert_close(load(tmp_path / "full.pth")(images()), DinoKeys(small)(images()))


def test_a_file_of_another_network_is_named(small: VisionTransformer, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    state = small.state_dict()
    save_file({**state, "head.weight": torch.ones(2)}, path)
    message = rf"other\.safetensors: not {NAME} weights "
    with pytest.raises(CheckpointError, match=rf"{message}\(unknown head\.weight\)"):
        load(path)
    save_file(tiny_vit(size=2 * SIDE).state_dict(), path)
    with pytest.raises(CheckpointError, match=rf"{message}\(pos_embed is \[1, 17, 12\], not"):
        load(path)


def test_only_dino_models_are_accepted() -> None:
    with pytest.raises(ConfigError, match=r"losses\.dino\.model: resnet18 is not a DINO model"):
        dino_file("resnet18")
    for name in DINO_FILES:
        assert dino_file(name).source == f"timm/{name}"
        assert timm.is_model(name)


def test_missing_weights_are_a_one_line_error_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"give its path as losses\.dino\.weights or set losses\.structure=0$"
    ):
        find_weights(
            dino_file(NAME),
            None,
            allow_download=False,
            announce=lambda _: None,
            without="losses.structure=0",
        )


@pytest.mark.parametrize("name", sorted(DINO_FILES))
def test_real_sizes(name: str) -> None:
    """The published models have the expected classes and sizes."""
    network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    dino = DinoKeys(network).to("meta")
    tokens = 785 if "patch8" in name else 197
    channels = 768 if "base" in name else 384
    assert dino(torch.empty(2, 3, 256, 256, device="meta")).shape == (2, tokens, channels)
    floats = sum(value.numel() for value in network.state_dict().values())
    assert round(4 * floats / 1e6) == DINO_FILES[name].megabytes
