"""Weights that others have published: TPSMM's, and the paper's, which are laid out alike.

Such a ``.pth.tar`` is a PyTorch file of a dict with the state dict of each network, and often of
optimizers (Zhao and Zhang, CVPR 2022, github.com/yoyo-nb/Thin-Plate-Spline-Motion-Model). Nothing
in it is executed.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cpabmm_core.checkpoint.damage import one_line
from cpabmm_core.errors import CheckpointError

_REQUIRED = ("kp_detector", "dense_motion_network", "inpainting_network")
_NETWORKS = (*_REQUIRED, "bg_predictor", "avd_network")
_BLUR = "dense_motion_network.down.weight"  # fixed; ours is computed
_WRAPPED = "module."
_PREFIXES = (
    ("kp_detector.fg_encoder.fc.", "keypoint_detector.head.linear."),
    ("kp_detector.fg_encoder.", "keypoint_detector.backbone."),
    ("bg_predictor.bg_encoder.fc.", "background_predictor.linear."),
    ("bg_predictor.bg_encoder.", "background_predictor.backbone."),
    ("dense_motion_network.hourglass.encoder.", "dense_motion.hourglass."),
    ("dense_motion_network.hourglass.decoder.", "dense_motion.hourglass."),
    ("dense_motion_network.maps.", "dense_motion.contribution_head."),
    ("dense_motion_network.up.", "dense_motion.refine_blocks."),
    ("dense_motion_network.occlusion.", "dense_motion.occlusion_heads."),
    ("inpainting_network.first.", "inpainting.stem."),
    ("inpainting_network.final.", "inpainting.to_rgb."),
    ("inpainting_network.down_blocks.", "inpainting.down_blocks."),
    ("inpainting_network.up_blocks.", "inpainting.up_blocks."),
    ("avd_network.", "avd."),
)
"""Beginnings of their names, and of ours; the first that fits counts."""


def our_name(theirs: str) -> str:
    """What we call the tensor that they call ``network.key``; the same where we have none like it.

    Example:
        >>> our_name("inpainting_network.resblock.3.conv1.weight")
        'inpainting.residual_blocks.1.1.conv1.weight'
    """
    residual = re.fullmatch(r"inpainting_network\.resblock\.(\d+)\.(.*)", theirs)
    if residual:
        level, place = divmod(int(residual[1]), 2)  # they count the blocks of all levels in a row
        return f"inpainting.residual_blocks.{level}.{place}.{residual[2]}"
    for prefix, ours in _PREFIXES:
        if theirs.startswith(prefix):
            return ours + theirs.removeprefix(prefix)
    return theirs


def read_published(path: Path) -> dict[str, Tensor]:
    """The tensors of a published model by our names, in float32; the rest of the file is left out.

    Raises:
        CheckpointError: it is no PyTorch file, damaged, of another kind of model, or has more in it
            than tensors.
    """
    values = _read(path)
    missing = [network for network in _REQUIRED if not isinstance(values.get(network), dict)]
    if missing:
        found = ", ".join(sorted(map(str, values))[:4]) or "nothing"
        raise CheckpointError(
            f"{path}: not a model laid out as TPSMM's (no {', '.join(missing)}; it has {found}); "
            "give TPSMM's .pth.tar or a .safetensors checkpoint"
        )
    tensors = {
        f"{network}.{key.removeprefix(_WRAPPED)}": tensor
        for network in _NETWORKS
        for key, tensor in (values.get(network) or {}).items()
        if isinstance(tensor, Tensor)
    }
    return {our_name(name): _plain(value) for name, value in tensors.items() if name != _BLUR}


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().float() if tensor.is_floating_point() else tensor


def _read(path: Path) -> dict[Any, Any]:
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path}: more in it than tensors, or damaged; nothing of it was executed, give the "
            "file as published"
        ) from None
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = one_line(error)[:200]
        raise CheckpointError(
            f"{path}: truncated or damaged ({reason}); download it again"
        ) from None
    return values if isinstance(values, dict) else {}
