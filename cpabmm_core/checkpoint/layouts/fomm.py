"""Checkpoints of FOMM.

Siarohin et al., First Order Motion Model for Image Animation, NeurIPS 2019,
github.com/AliaksandrSiarohin/first-order-model (MIT).
"""

from typing import Any

import torch

from cpabmm_core.checkpoint.layouts import layout, occlusion_aware
from cpabmm_core.checkpoint.layouts.layout import Layout, Tensors

_DENSE = "generator.dense_motion_network"
_HEATMAPS = "kp_detector.kp.weight"
_JACOBIANS = "keypoint_detector.jacobians.conv"
_ONE_MAP = 4
"""Channels of a map of Jacobians: the entries of one 2 x 2 matrix."""
_PREFIXES = (
    ("kp_detector.predictor.encoder.", "keypoint_detector.hourglass."),
    ("kp_detector.predictor.decoder.", "keypoint_detector.hourglass."),
    ("kp_detector.kp.", "keypoint_detector.heatmaps."),
    ("kp_detector.jacobian.", f"{_JACOBIANS}."),
    *occlusion_aware.prefixes(_DENSE),
)


def _model(tensors: Tensors) -> dict[str, Any]:
    jacobians = tensors.get("kp_detector.jacobian.weight")
    model = occlusion_aware.affine_model(
        tensors,
        detector="kp_detector",
        heatmaps=_HEATMAPS,
        dense=_DENSE,
        frames="jacobian",
        single_jacobian_map=jacobians is None or jacobians.shape[0] == _ONE_MAP,
    )
    return {**model, "relative_hull_scaling": False}


def _adapt(ours: Tensors) -> Tensors:
    """Reorder channels, and add a map of identity matrices for models without Jacobians."""
    heatmaps = ours["keypoint_detector.heatmaps.weight"]
    identities = {
        f"{_JACOBIANS}.weight": heatmaps.new_zeros(_ONE_MAP, *heatmaps.shape[1:]),
        f"{_JACOBIANS}.bias": torch.eye(2).flatten(),
    }
    return occlusion_aware.reorder_channels({**identities, **ours})


FOMM = Layout(
    kind="fomm",
    title="FOMM",
    networks=("kp_detector", "generator"),
    signature=(_HEATMAPS, f"{_DENSE}.mask.weight", "generator.first.conv.weight"),
    fixed=("kp_detector.down.weight", f"{_DENSE}.down.weight"),
    model=_model,
    rename=lambda theirs: layout.rename_prefix(theirs, _PREFIXES),
    adapt=_adapt,
)
