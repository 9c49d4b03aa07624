"""The baseline of an animated frame: the loop of TPSMM's demo, over our modules.

TPSMM (Zhao and Zhang, CVPR 2022) animates one frame at a time in float32. Each frame detects its
keypoints, moves the source's by their movement since the first frame, estimates the dense motion
from scratch, encodes the source again, and becomes an array in [0, 1]. The demo predicts no
background motion. The loop is restated here over the plain modules, so that both sides have the
same weights and the same results. It does less than the original, which warps and masks every level
of the features twice.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabmm_core.config import load_config
from cpabmm_core.inference import transfer_keypoints
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.build import build_model
from cpabmm_core.models.keypoints import KeypointDetector, RegressionHead

FULL_WIDTH = "taichi-256-tps"
"""The configuration of TPSMM's own model, at 256 x 256."""


@torch.no_grad()
def tpsmm_loop(
    model: AnimationModel,
    source: Tensor,  # (1, 3, S, S) in [0, 1]
    frames: Iterable[Tensor],  # each (3, S, S) or (1, 3, S, S) in [0, 1]
) -> list[NDArray[np.float32]]:  # each (S, S, 3) in [0, 1]
    """Animate a source as TPSMM's demo does, in its mode ``relative``.

    Args:
        model: a plain model in eval mode, not one that was prepared for inference.
        source: the source image.
        frames: the driving frames.

    Returns:
        One frame per driving frame.
    """
    kp_source = model.keypoints(source)
    reference = None
    predictions = []
    for frame in frames:
        kp_driving = model.keypoints(frame.reshape(source.shape))
        reference = kp_driving if reference is None else reference
        poses = transfer_keypoints("relative", kp_source, kp_driving, reference)
        prediction = model.generate(source, model.motion(source, kp_source, poses))
        predictions.append(prediction[0].permute(1, 2, 0).cpu().numpy())
    return predictions


def random_model(configuration: str = FULL_WIDTH, *overrides: str) -> AnimationModel:
    """Build a model in eval mode with random weights, whose keypoints are spread over the frame.

    Args:
        configuration: name of a shipped configuration.
        overrides: ``key=value`` strings, as for `load_config`.

    Example:
        >>> random_model("puppets-64").frame_size
        64
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(load_config(configuration, overrides)).eval()
        detector = model.keypoint_detector
        if isinstance(detector, KeypointDetector) and isinstance(detector.head, RegressionHead):
            torch.nn.init.uniform_(detector.head.linear.bias, -1.5, 1.5)
    return model


def random_frames(
    count: int,
    size: int,  # S
) -> Tensor:  # (count, 3, S, S) in [0, 1]
    """Return smooth random images, the same ones in every run."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
