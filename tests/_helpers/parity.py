"""Pairs of tensors to compare: ours, and those of the code of TPSMM and FOMM.

For MRAA the reference is `_helpers.mraa_plain`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from _helpers import mraa_plain
from _helpers.published_model import golden, narrow_networks, write_narrow_model
from torch import Tensor

from cpabmm_core.checkpoint.convert import convert_checkpoint
from cpabmm_core.geometry.local_affine import canonical_sign, jacobians, positions, with_jacobians
from cpabmm_core.inference.transfer import transfer_keypoints
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.tps_motion import TpsMotion

Compared = tuple[str, Tensor, Tensor]
"""The name, our tensor, the reference tensor."""


@torch.inference_mode()
def tpsmm(folder: Path) -> Iterator[Compared]:
    """Yield all golden tensors of TPSMM."""
    expected = golden("tpsmm")
    model = (
        convert_checkpoint(write_narrow_model(folder / "narrow.pth.tar"), frame_size=128)
        .checkpoint()
        .model
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
        yield from _compare_generation(model, expected, mode, kp_source, pose, moved)


@torch.inference_mode()
def fomm(folder: Path) -> Iterator[Compared]:
    """Yield all golden tensors of FOMM."""
    expected = golden("fomm")
    file = write_narrow_model(folder / "narrow-fomm.pth.tar", "fomm")
    model = convert_checkpoint(file, frame_size=128).checkpoint().model
    found = {
        name: model.keypoints(expected[name]) for name in ("source", "driving", "driving_initial")
    }
    found["relative"] = transfer_keypoints(
        "relative", found["source"], found["driving"], found["driving_initial"]
    )
    for name, keypoints in found.items():
        yield f"kp_{name}", positions(keypoints), expected[f"kp_{name}"]
        yield f"jacobian_{name}", jacobians(keypoints), expected[f"jacobian_{name}"]
    for mode, pose in (("standard", found["driving"]), ("relative", found["relative"])):
        yield from _compare_generation(model, expected, mode, found["source"], pose, None)


def _compare_generation(
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


@torch.inference_mode()
def mraa(folder: Path) -> Iterator[Compared]:
    """Yield all tensors that `_helpers.mraa_plain` computes from the same images."""
    networks = narrow_networks("mraa")
    file = write_narrow_model(folder / "narrow-mraa.pth", "mraa")
    model = convert_checkpoint(file, frame_size=128).checkpoint().model
    images = golden("fomm")
    source, driving = images["source"], images["driving"]
    kp_source, kp_driving = model.keypoints(source), model.keypoints(driving)
    plain = {name: mraa_plain.regions(networks, images[name]) for name in ("source", "driving")}
    for name, keypoints in (("source", kp_source), ("driving", kp_driving)):
        ours, found = jacobians(keypoints[0]), plain[name]
        yield f"mean_{name}", positions(keypoints[0]), found.means
        yield f"covariance_{name}", ours @ ours.transpose(-1, -2), found.covariances
        # The axes equal LAPACK's up to a half turn; their order and handedness are the same.
        same = canonical_sign(ours @ torch.linalg.inv(found.axes))
        yield f"axes_{name}", same, torch.eye(2).expand(10, 2, 2)
    matrix = model.background(source, driving)
    assert matrix is not None
    plain_matrix = mraa_plain.background(networks, source, driving)
    yield "background", matrix[0], plain_matrix
    theirs = mraa_plain.flow(networks, source, plain["source"], plain["driving"], plain_matrix)
    motion = model.motion(source, kp_source, kp_driving, matrix)
    yield "masks", motion.contribution_maps, theirs.masks
    yield "flow", motion.deformation, theirs.flow
    yield "visible", motion.occlusion_maps[0], theirs.visible
    generated = mraa_plain.generate(networks, source, theirs)
    yield "prediction", model.generate(source, motion), generated
    turn = torch.where(torch.arange(10) % 2 == 0, -1.0, 1.0)[:, None, None]
    turned = with_jacobians(positions(kp_source), turn * jacobians(kp_source))
    for name, identity in (("avd", kp_source), ("avd_of_turned_axes", turned)):
        ours = transfer_keypoints("avd", identity, kp_driving, kp_driving, model.avd)[0]
        yield name, ours, mraa_plain.avd(networks, _regions(identity), _regions(kp_driving))


def _regions(keypoints: Tensor) -> mraa_plain.Regions:
    matrices = jacobians(keypoints)[0]
    covariances = matrices @ matrices.transpose(-1, -2)
    return mraa_plain.Regions(positions(keypoints)[0], covariances, matrices)
