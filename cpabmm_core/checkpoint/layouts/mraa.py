"""Checkpoints of MRAA, whose code and weights carry no licence; none of its code is used here.

Siarohin et al., Motion Representations for Articulated Animation, CVPR 2021. The networks are those
of FOMM, adapted from a description in words and formulas. Names of tensors, settings and details
that the files rely on are facts about MRAA's repository (docs/checkpoints.md).
"""

from typing import Any

from cpabmm_core.checkpoint.layouts import layout, occlusion_aware
from cpabmm_core.checkpoint.layouts.layout import Layout, Tensors

_DENSE = "generator.pixelwise_flow_predictor"
_HEATMAPS = "region_predictor.regions.weight"
_PREFIXES = (
    ("region_predictor.predictor.encoder.", "keypoint_detector.hourglass."),
    ("region_predictor.predictor.decoder.", "keypoint_detector.hourglass."),
    ("region_predictor.regions.", "keypoint_detector.heatmaps."),
    ("bg_predictor.encoder.", "background_predictor.backbone."),
    ("bg_predictor.fc.", "background_predictor.linear."),
    *occlusion_aware.prefixes(_DENSE),
    ("avd_network.", "avd."),
)


def _model(tensors: Tensors) -> dict[str, Any]:
    model = occlusion_aware.affine_model(
        tensors,
        detector="region_predictor",
        heatmaps=_HEATMAPS,
        dense=_DENSE,
        frames="pca",
        skips=True,
    )
    if "bg_predictor.fc.weight" in tensors:
        widths = layout.encoder_widths(tensors, "bg_predictor.encoder")
        model["background"] = {"backbone": "hourglass", **widths}
    return {**model, "avd": layout.avd_sizes(tensors)}


MRAA = Layout(
    kind="mraa",
    title="MRAA",
    networks=("region_predictor", "bg_predictor", "generator", "avd_network"),
    signature=(_HEATMAPS, f"{_DENSE}.mask.weight", "generator.first.conv.weight"),
    fixed=("region_predictor.down.weight", f"{_DENSE}.down.weight"),
    model=_model,
    rename=lambda theirs: layout.rename_prefix(theirs, _PREFIXES),
    adapt=occlusion_aware.reorder_channels,
)
