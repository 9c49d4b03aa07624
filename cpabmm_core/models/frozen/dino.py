"""Features of a DINO vision transformer (Caron et al., 2021, arXiv 2104.14294).

The self-similarity of the last block's keys describes the structure of an image independently of
its appearance. The class token describes its content (Tumanyan et al., Splicing ViT Features, 2022,
arXiv 2201.00424).
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
"""Published weights by the name of the model in timm."""


class _Dino(nn.Module):
    """A frozen vision transformer; gradients reach only the image.

    Images are resized to the transformer's input size (bilinear, antialiased) and normalised with
    ImageNet's mean and standard deviation.

    Args:
        transformer: timm's class, with at least two blocks.
    """

    def __init__(self, transformer: VisionTransformer) -> None:
        super().__init__()
        self.transformer = transformer
        self.normalise = Normalise()
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, whatever `mode` is: the network is frozen."""
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
    """The class token after the last block and the final norm."""

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, C)
        """Compute the class token."""
        tokens: Tensor = self.transformer.forward_features(self._prepare(image))
        return tokens[:, 0]


class DinoKeys(_Dino):
    """The keys of the last block; the rest of that block is not computed."""

    def forward(
        self,
        image: Tensor,  # (B, 3, H, W) in [0, 1]
    ) -> Tensor:  # (B, 1 + P, C)
        """Compute the keys: class token first, then the patches row by row; heads concatenated."""
        tokens = self._tokens_before_last_block(self._prepare(image))
        block: Any = self.transformer.blocks[-1]
        attention = block.attn
        # The rows of the joint projection are queries, keys and values, in this order.
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
    """Read a DINO transformer to compute keys; arguments and errors as for `load_dino_token`."""
    return DinoKeys(_load_transformer(name, path))


def load_dino_token(name: str, path: Path) -> DinoToken:
    """Read a DINO transformer to compute class tokens, without executing code from the file.

    Args:
        name: timm's name of the model, e.g. ``vit_base_patch8_224.dino``.
        path: its weights as published by timm (safetensors) or by the authors (.pth, the
            transformer alone or a full checkpoint); `find_weights` finds those of `dino_file`.

    Raises:
        ConfigError: the model is unknown.
        CheckpointError: the file is damaged or belongs to another network.
    """
    return DinoToken(_load_transformer(name, path))


def _load_transformer(name: str, path: Path) -> VisionTransformer:
    file = dino_file(name)
    with torch.random.fork_rng(devices=[]):  # the random weights are overwritten
        transformer: Any = timm.create_model(name, pretrained=False, num_classes=0)
    fill(transformer, _transformer_part(read_weights(path, file.what)), path, file.what)
    return transformer  # type: ignore[no-any-return]


def dino_file(name: str) -> WeightFile:
    """Return the description of the published weights of a model.

    Raises:
        ConfigError: it is not a DINO model.
    """
    if name not in DINO_FILES:
        raise ConfigError(
            f"losses.dino.model: {name} is not a DINO model; use one of: {', '.join(DINO_FILES)}"
        )
    return DINO_FILES[name]


def _transformer_part(values: dict[str, Any]) -> dict[str, Any]:
    """Return the transformer's tensors; from a full DINO checkpoint, those of the teacher."""
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
