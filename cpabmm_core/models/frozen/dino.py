"""Features of a DINO vision transformer (Caron et al., 2021, arXiv 2104.14294).

What the keys of the last block have in common or not describes the structure of an image and leaves
out its appearance; the class token describes what the image shows (Tumanyan et al., Splicing ViT
Features, 2022, arXiv 2201.00424).
"""

from pathlib import Path
from typing import Any, Self

import timm
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from cpabmm_core.errors import ConfigError
from cpabmm_core.models.frozen.normalise import Normalise
from cpabmm_core.models.frozen.weights import WeightFile, fill, read_weights

_MEGABYTES = {
    "vit_base_patch8_224.dino": 343,
    "vit_base_patch16_224.dino": 343,
    "vit_small_patch8_224.dino": 87,
    "vit_small_patch16_224.dino": 87,
}
DINO_FILES = {
    name: WeightFile(
        what=f"{name} weights",
        name="model.safetensors",
        source=f"timm/{name}",
        megabytes=megabytes,
        key="losses.dino.weights",
        sha256="",
        licence="Apache-2.0",
    )
    for name, megabytes in _MEGABYTES.items()
}
"""Published weights by the model's name in timm."""


class _Dino(nn.Module):
    """A frozen vision transformer; gradients reach the image only.

    Images are resized to the size that the transformer takes (bilinear, antialiased where they
    shrink) and normalised as ImageNet's.

    Args:
        transformer: timm's class, of two blocks or more.
    """

    def __init__(self, transformer: VisionTransformer) -> None:
        super().__init__()
        self.transformer = transformer
        self.normalise = Normalise()
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Frozen: stays in eval mode."""
        return super().train(False)

    def _prepare(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 3, h, w) normalised
        image = F.interpolate(
            image.to(self.normalise.mean.dtype),
            self.transformer.patch_embed.img_size,
            mode="bilinear",
            antialias=True,
        )
        normalised: Tensor = self.normalise(image)
        return normalised


class DinoToken(_Dino):
    """The class token behind the last block and the final norm."""

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, C)
        """The class token."""
        tokens: Tensor = self.transformer.forward_features(self._prepare(image))
        return tokens[:, 0]


class DinoKeys(_Dino):
    """Keys of the last block, which is not run beyond them."""

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 1 + P, C), CLS first, then the patches row by row; heads concatenated
        """The keys."""
        tokens = self._tokens_before_last_block(self._prepare(image))
        block: Any = self.transformer.blocks[-1]
        attention = block.attn
        # Of the rows of the joint projection the queries come first, the values last.
        width = attention.num_heads * attention.head_dim
        rows = slice(width, 2 * width)
        bias = None if attention.qkv.bias is None else attention.qkv.bias[rows]
        keys = F.linear(block.norm1(tokens), attention.qkv.weight[rows], bias)
        by_head = keys.unflatten(-1, (attention.num_heads, -1))
        normed: Tensor = attention.k_norm(by_head)  # the identity in DINO
        return normed.flatten(-2)

    def _tokens_before_last_block(
        self,
        image: Tensor,  # (B, 3, H, W) normalised
    ) -> Tensor:  # (B, 1 + P, D)
        levels: Any = self.transformer.forward_intermediates(
            image,
            indices=[len(self.transformer.blocks) - 2],
            return_prefix_tokens=True,
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        [(patches, prefix)] = levels
        return torch.cat((prefix, patches), dim=1)


def load_dino(name: str, path: Path) -> DinoKeys:
    """Read a DINO transformer for its keys; otherwise like `load_dino_token`."""
    return DinoKeys(_load_transformer(name, path))


def load_dino_token(name: str, path: Path) -> DinoToken:
    """Read a DINO transformer for its class token, without executing anything of the file.

    Args:
        name: timm's name of the model, e.g. ``vit_base_patch8_224.dino``.
        path: its weights, as timm (safetensors) or the authors (.pth, the transformer alone or a
            full checkpoint) publish them; `find_weights` finds those of `dino_file`.

    Raises:
        ConfigError: no such model.
        CheckpointError: the file is damaged or of another network.
    """
    return DinoToken(_load_transformer(name, path))


def _load_transformer(name: str, path: Path) -> VisionTransformer:
    file = dino_file(name)
    with torch.random.fork_rng(devices=[]):  # the weights that it draws are overwritten
        transformer: Any = timm.create_model(name, pretrained=False, num_classes=0)
    fill(transformer, _transformer_part(read_weights(path, file.what)), path, file.what)
    return transformer  # type: ignore[no-any-return]


def dino_file(name: str) -> WeightFile:
    """The published weights of that model of timm.

    Raises:
        ConfigError: it is not one of DINO's.
    """
    if name not in DINO_FILES:
        raise ConfigError(
            f"losses.dino.model: {name} is not a DINO model; take one of: {', '.join(DINO_FILES)}"
        )
    return DINO_FILES[name]


def _transformer_part(values: dict[str, Any]) -> dict[str, Any]:
    """The transformer alone, of the teacher where the file is a full checkpoint of DINO."""
    for network in ("teacher", "student"):
        if isinstance(values.get(network), dict):
            values = values[network]
            break
    values = {name.removeprefix("module."): value for name, value in values.items()}
    backbone = "backbone."
    inner = {
        name.removeprefix(backbone): value
        for name, value in values.items()
        if name.startswith(backbone)
    }
    return inner or values
