"""What FOMM's and MRAA's checkpoints share: the dense motion network and the generator.

Their dense motion networks take heatmap, red, green and blue of one candidate motion after the
other. Ours, like TPSMM's, takes all heatmaps first, then the colours of each candidate. The weights
are put in our order once, so that one network serves all.
"""

from typing import Any

import torch
from torch import Tensor

from cpabmm_core.checkpoint.layouts import layout
from cpabmm_core.checkpoint.layouts.layout import Tensors

_CHANNELS = 4
_INPUT = "dense_motion.hourglass.down_blocks.0.conv.weight"
# The last features of the hourglass end with its input.
_HEADS = ("dense_motion.contribution_head.weight", "dense_motion.occlusion_heads.0.weight")


def prefixes(dense: str) -> tuple[tuple[str, str], ...]:
    """Beginnings of their names and of ours, for a dense motion network called ``dense``."""
    return (
        (f"{dense}.hourglass.encoder.", "dense_motion.hourglass."),
        (f"{dense}.hourglass.decoder.", "dense_motion.hourglass."),
        (f"{dense}.mask.", "dense_motion.contribution_head."),
        (f"{dense}.occlusion.", "dense_motion.occlusion_heads.0."),
        ("generator.first.", "generator.stem."),
        ("generator.final.", "generator.to_rgb."),
        ("generator.bottleneck.r", "generator.residual_blocks."),
        ("generator.down_blocks.", "generator.down_blocks."),
        ("generator.up_blocks.", "generator.up_blocks."),
    )


def affine_model(
    tensors: Tensors, *, detector: str, heatmaps: str, dense: str, **settings: object
) -> dict[str, Any]:
    """The section ``model`` of the configuration, without background and avd.

    Args:
        tensors: by their names.
        detector: what the names of the keypoint detector's tensors begin with.
        heatmaps: name of the weights that draw the heatmaps.
        dense: what the names of the dense motion network's tensors begin with.
        settings: what the tensors do not tell, of the section ``affine``.
    """
    return {
        "motion": "affine",
        "background": None,
        "affine": {
            "keypoints": tensors[heatmaps].shape[0],
            **layout.hourglass(
                tensors, f"{detector}.predictor.encoder", f"{detector}.predictor.decoder"
            ),
            "scale_factor": layout.scale_factor(tensors, f"{detector}.down.weight"),
            "bottleneck_blocks": layout.count(tensors, "generator.bottleneck.r{}.conv1.weight"),
            # Their code samples so on a current PyTorch.
            "align_corners": False,
            **settings,
        },
        "dense_motion": {
            **layout.hourglass(tensors, f"{dense}.hourglass.encoder", f"{dense}.hourglass.decoder"),
            "scale_factor": layout.scale_factor(tensors, f"{dense}.down.weight"),
        },
        "inpainting": layout.painter(tensors, "generator", stem="first"),
    }


def in_our_order(tensors: Tensors) -> Tensors:
    """The tensors by our names, with the input channels of the three layers that see it moved."""
    channels = tensors[_INPUT].shape[1]
    reordered = {
        name: _reordered(tensors[name], channels) for name in (_INPUT, *_HEADS) if name in tensors
    }
    return {**tensors, **reordered}


def _reordered(
    weight: Tensor,  # (out, features + channels, k, k)
    channels: int,
) -> Tensor:  # the same shape
    features = weight.shape[1] - channels
    if channels % _CHANNELS or features < 0:
        return weight  # of a fork: its shape will be told
    theirs = torch.arange(channels).view(-1, _CHANNELS)
    order = torch.cat((theirs[:, 0], theirs[:, 1:].flatten()))
    return torch.cat((weight[:, :features], weight[:, features:][:, order]), dim=1)
