"""FOMM's checkpoints.

Siarohin et al., First Order Motion Model for Image Animation, NeurIPS 2019,
github.com/AliaksandrSiarohin/first-order-model (MIT).
"""

from typing import Any

import torch

from cpabmm_core.checkpoint.layouts import layout, occlusion_aware
from cpabmm_core.checkpoint.layouts.layout import Layout, Tensors

_DENSE = "generator.dense_motion_network"
_HEATMAPS = "kp_detector.kp.weight"
_JACOBIANS = "keypoint_detector.frames.conv"
_PREFIXES = (
    ("kp_detector.predictor.encoder.", "keypoint_detector.hourglass."),
    ("kp_detector.predictor.decoder.", "keypoint_detector.hourglass."),
    ("kp_detector.kp.", "keypoint_detector.heatmaps."),
    ("kp_detector.jacobian.", f"{_JACOBIANS}."),
    *occlusion_aware.prefixes(_DENSE),
)


def _model(tensors: Tensors) -> dict[str, Any]:
    return occlusion_aware.affine_model(
        tensors, detector="kp_detector", heatmaps=_HEATMAPS, dense=_DENSE, frames="jacobian"
    )


def _adapt(ours: Tensors) -> Tensors:
    """Our order of channels, and a Jacobian for each keypoint also where they have one or none."""
    heatmaps = ours["keypoint_detector.heatmaps.weight"]
    keypoints = heatmaps.shape[0]
    weight, bias = ours.get(f"{_JACOBIANS}.weight"), ours.get(f"{_JACOBIANS}.bias")
    if weight is None or bias is None:
        weight, bias = heatmaps.new_zeros(4, *heatmaps.shape[1:]), torch.eye(2).flatten()
    if weight.shape[0] == 4:
        weight, bias = weight.repeat(keypoints, 1, 1, 1), bias.repeat(keypoints)
    jacobians = {f"{_JACOBIANS}.weight": weight, f"{_JACOBIANS}.bias": bias}
    return occlusion_aware.in_our_order({**ours, **jacobians})


FOMM = Layout(
    kind="fomm",
    title="FOMM",
    networks=("kp_detector", "generator"),
    telltale=(_HEATMAPS, f"{_DENSE}.mask.weight", "generator.first.conv.weight"),
    fixed=("kp_detector.down.weight", f"{_DENSE}.down.weight"),
    model=_model,
    rename=lambda theirs: layout.renamed(theirs, _PREFIXES),
    adapt=_adapt,
)
