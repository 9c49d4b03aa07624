"""The dense motion network and the generator, which FOMM's and MRAA's checkpoints share.

Their dense motion networks take the heatmap, red, green and blue channel of one candidate motion
after the other. Ours, like TPSMM's, takes all heatmaps first, then the colours of each candidate.
The conversion reorders the weights once, so that one network reads all checkpoints.
"""

from typing import Any

import torch
from torch import Tensor

from cpabmm_core.checkpoint.layouts import layout
from cpabmm_core.checkpoint.layouts.layout import Tensors

_CHANNELS = 4
_INPUT = "dense_motion.hourglass.down_blocks.0.conv.weight"
# The output of the hourglass ends with a copy of its input.
_HEADS = ("dense_motion.contribution_head.weight", "dense_motion.occlusion_heads.0.weight")


def prefixes(dense: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of prefixes, theirs and ours, for a dense motion network called `dense`."""
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
    """Return the section ``model`` of the configuration, without background and avd.

    Args:
        tensors: tensors by their original names.
        detector: prefix of the keypoint detector.
        heatmaps: name of the weights that compute the heatmaps.
        dense: prefix of the dense motion network.
        settings: keys of the section ``affine`` that the tensors do not determine.
    """
    return {
        "motion": "affine",
        "background": None,
        "affine": {
            "keypoints": tensors[heatmaps].shape[0],
            **layout.hourglass_widths(
                tensors, f"{detector}.predictor.encoder", f"{detector}.predictor.decoder"
            ),
            "scale_factor": layout.scale_factor(tensors, f"{detector}.down.weight"),
            "bottleneck_blocks": layout.count_blocks(
                tensors, "generator.bottleneck.r{}.conv1.weight"
            ),
            # The default of `grid_sample` since PyTorch 1.3, which their code relies on.
            "align_corners": False,
            **settings,
        },
        "dense_motion": {
            **layout.hourglass_widths(
                tensors, f"{dense}.hourglass.encoder", f"{dense}.hourglass.decoder"
            ),
            "scale_factor": layout.scale_factor(tensors, f"{dense}.down.weight"),
        },
        "inpainting": layout.generator_widths(tensors, "generator", stem="first"),
    }


def reorder_channels(tensors: Tensors) -> Tensors:
    """Reorder the input channels of the three layers that read the input of the network.

    Args:
        tensors: tensors by their names in cpabmm.
    """
    channels = tensors[_INPUT].shape[1]
    reordered = {
        name: _reorder(tensors[name], channels) for name in (_INPUT, *_HEADS) if name in tensors
    }
    return {**tensors, **reordered}


def _reorder(
    weight: Tensor,  # (out, features + channels, k, k)
    channels: int,
) -> Tensor:  # the same shape
    features = weight.shape[1] - channels
    if channels % _CHANNELS or features < 0:
        return weight  # a fork's, which the comparison of shapes reports later
    theirs = torch.arange(channels).view(-1, _CHANNELS)
    order = torch.cat((theirs[:, 0], theirs[:, 1:].flatten()))
    return torch.cat((weight[:, :features], weight[:, features:][:, order]), dim=1)
