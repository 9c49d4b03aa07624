"""Every tensor that TPSMM's and FOMM's own code computed, beside what ours computes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from _helpers.published_model import golden, write_narrow_model
from torch import Tensor

from cpabmm_core.checkpoint.convert import convert
from cpabmm_core.geometry.local_affine import frames, positions
from cpabmm_core.inference.transfer import transfer_keypoints
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.motion import TpsMotion

Compared = tuple[str, Tensor, Tensor]
"""Name, ours, theirs."""


@torch.inference_mode()
def tpsmm(folder: Path) -> Iterator[Compared]:
    """All tensors of ``reference/tpsmm``."""
    expected = golden("tpsmm")
    model = (
        convert(write_narrow_model(folder / "narrow.pth.tar"), frame_size=128).checkpoint().model
    )
    source, driving = expected["source"], expected["driving"]
    found = {
        name: model.keypoints(expected[name]) for name in ("source", "driving", "driving_initial")
    }
    for name, keypoints in found.items():
        yield f"kp_{name}", keypoints, expected[f"kp_{name}"]
    background = model.background(source, driving)
    assert background is not None
    yield "bg_param", background, expected["bg_param"]
    kp_source, kp_driving = found["source"], found["driving"]
    yield "tps_grid_32", TpsMotion(10)(kp_source, kp_driving, (32, 32)), expected["tps_grid_32"]
    relative = transfer_keypoints("relative", kp_source, kp_driving, found["driving_initial"])
    yield "kp_relative", relative, expected["kp_relative"]
    avd = transfer_keypoints("avd", kp_source, kp_driving, kp_driving, model.avd)
    yield "kp_avd", avd, expected["kp_avd"]
    for mode, pose, moved in (
        ("standard", kp_driving, None),
        ("standard_bg", kp_driving, background),
        ("relative", relative, None),
    ):
        yield from _drawn(model, expected, mode, kp_source, pose, moved)


@torch.inference_mode()
def fomm(folder: Path) -> Iterator[Compared]:
    """All tensors of ``reference/fomm``."""
    expected = golden("fomm")
    file = write_narrow_model(folder / "narrow-fomm.pth.tar", "fomm")
    model = convert(file, frame_size=128).checkpoint().model
    found = {
        name: model.keypoints(expected[name]) for name in ("source", "driving", "driving_initial")
    }
    found["relative"] = transfer_keypoints(
        "relative", found["source"], found["driving"], found["driving_initial"]
    )
    for name, keypoints in found.items():
        yield f"kp_{name}", positions(keypoints), expected[f"kp_{name}"]
        yield f"jacobian_{name}", frames(keypoints), expected[f"jacobian_{name}"]
    for mode, pose in (("standard", found["driving"]), ("relative", found["relative"])):
        yield from _drawn(model, expected, mode, found["source"], pose, None)


def _drawn(
    model: AnimationModel,
    expected: Mapping[str, Tensor],
    mode: str,
    kp_source: Tensor,
    pose: Tensor,
    background: Tensor | None,
) -> Iterator[Compared]:
    motion = model.motion(expected["source"], kp_source, pose, background)
    ours = {
        "deformation": motion.deformation,
        "contribution_maps": motion.contribution_maps,
        "mask": motion.contribution_maps,
        "occlusion": motion.occlusion_maps[-1],
        **{f"occlusion_{i}": occlusion for i, occlusion in enumerate(motion.occlusion_maps)},
        "deformed": motion.warp(expected["source"]),
        "prediction": model.generate(expected["source"], motion),
    }
    for part, tensor in ours.items():
        if f"{mode}_{part}" in expected:
            yield f"{mode}_{part}", tensor, expected[f"{mode}_{part}"]
