from pathlib import Path

import huggingface_hub
import pytest
import torch
from _helpers.frozen_nets import vgg19_layers
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.config import LossesConfig, PerceptualConfig
from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.geometry.local_affine import with_jacobians
from cpabmm_core.geometry.tps import random_tps
from cpabmm_core.losses.background import background_loss
from cpabmm_core.losses.build import build_losses
from cpabmm_core.losses.equivariance import equivariance_loss, frame_equivariance_loss
from cpabmm_core.losses.objective import Losses, Objective, Outcome, StepSample
from cpabmm_core.losses.perceptual import PerceptualLoss
from cpabmm_core.losses.pixel import PixelLoss
from cpabmm_core.losses.warp import warp_loss


def images(seed: int, batch: int = 2, size: int = 32) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_pixel_loss_of_a_constant_error_is_the_error() -> None:
    image = 0.5 * images(0)
    assert PixelLoss()(image, image).item() == 0
    assert PixelLoss()(image + 0.25, image).item() == pytest.approx(0.25, abs=1e-6)


def test_pixel_loss_of_a_step_edge() -> None:
    """Scale 1 of an 8 x 8 frame: an error of 1 on half of it, a difference in one of 7 columns."""
    error = torch.zeros(1, 3, 8, 8)
    error[..., 4:] = 1
    scale_1 = 0.5 + 2 * (1 / 7 + 0) / 2
    scale_2 = 0.5 + 2 * (1 / 3 + 0) / 2  # 4 x 4; the next scale is too small
    expected = (scale_1 + scale_2) / 2
    assert PixelLoss()(error, torch.zeros_like(error)).item() == pytest.approx(expected, abs=1e-6)


def test_equivariance_loss_maps_keypoints_back() -> None:
    deformation = random_tps(2, generator=torch.Generator().manual_seed(3))
    deformed = torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(4)) - 0.5
    keypoints = deformation(deformed)
    assert equivariance_loss(keypoints, deformed, deformation).item() < 1e-6
    assert equivariance_loss(keypoints + 0.1, deformed, deformation).item() == pytest.approx(0.1)


def test_frame_equivariance_loss_follows_the_rotation() -> None:
    deformation = random_tps(2, sigma_tps=0.05, generator=torch.Generator().manual_seed(3))
    points = torch.rand(2, 6, 2, generator=torch.Generator().manual_seed(4)) - 0.5
    matrices = torch.randn(2, 6, 2, 2, generator=torch.Generator().manual_seed(5))
    deformed = with_jacobians(points, matrices)
    slope = deformation.jacobian(points)
    keypoints = with_jacobians(deformation(points), slope @ matrices)
    loss = frame_equivariance_loss(keypoints, deformed, deformation)
    assert loss.item() < 1e-4
    about = with_jacobians(deformation(points), -slope @ matrices)
    loss = frame_equivariance_loss(about, deformed, deformation)
    assert loss.item() == pytest.approx(1.0, abs=1e-4)  # two of four elements differ by 2
    loss = frame_equivariance_loss(about, deformed, deformation, undirected=True)
    assert loss.item() < 1e-4


def test_frame_equivariance_loss_is_computed_in_float32() -> None:
    deformation = random_tps(2, generator=torch.Generator().manual_seed(3))
    one, other = torch.rand(2, 2, 6, 6, generator=torch.Generator().manual_seed(4)).unbind()
    expected = frame_equivariance_loss(one, other, deformation)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(frame_equivariance_loss(one, other, deformation), expected)


@pytest.mark.parametrize("frames", ["jacobian", "pca"])
def test_affine_models_train_their_jacobians(frames: str) -> None:
    model = tiny_model(tiny_affine_config(frames)).train()
    weights = LossesConfig(reconstruction_kind="pixel")
    sample = StepSample(random_tps(2, generator=torch.Generator().manual_seed(1)), None)
    objective = Objective(model, Losses(weights, PixelLoss()))
    losses = objective(images(1), images(2), sample=sample, with_background=True).losses
    background = {"background"} if frames == "pca" else set()
    names = {"reconstruction", "warp", "equivariance", "frame_equivariance"} | background
    assert losses.keys() == names | {"loss"}
    losses["frame_equivariance"].backward(retain_graph=True)
    detector = list(model.keypoint_detector.parameters())
    assert sum(float(p.grad.abs().sum()) for p in detector if p.grad is not None) > 0
    losses["loss"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_background_loss_of_inverse_motions_is_zero() -> None:
    there = torch.eye(3).repeat(2, 1, 1)
    there[:, 0, 2], there[:, 1, 1] = 0.3, 1.2
    assert background_loss(there, there.inverse()).item() < 1e-6
    assert background_loss(there, torch.eye(3).expand(2, 3, 3)).item() == pytest.approx(0.5 / 9)


def outcome_of(
    config_changes: dict[str, object], weights: LossesConfig
) -> tuple[Objective, Outcome]:
    model = tiny_model(tiny_config(**config_changes)).train()
    objective = Objective(model, Losses(weights, PixelLoss()))
    sample = StepSample(random_tps(2, generator=torch.Generator().manual_seed(0)), None)
    outcome = objective(images(1), images(2), sample=sample, with_background=True)
    return objective, outcome


def losses_of(config: LossesConfig) -> Losses:
    return build_losses(config, allow_download=False, announce=lambda _: None)


def test_warp_loss_is_differentiable_in_the_flow_only() -> None:
    objective, outcome = outcome_of({}, LossesConfig())
    model = objective.model
    source, driving = model.generator.encode(images(1)), model.generator.encode(images(2))
    warp_loss(source, driving, outcome.pair.motion).backward()
    assert all(p.grad is None for p in model.generator.parameters())
    taught = [p.grad for p in model.keypoint_detector.parameters() if p.grad is not None]
    assert sum(float(gradient.abs().sum()) for gradient in taught) > 0


def test_warp_loss_of_perfect_motion_is_zero() -> None:
    _, outcome = outcome_of({}, LossesConfig())
    features = [torch.rand(2, 4, 32 // 2**i, 32 // 2**i) for i in range(3)]
    moved = outcome.pair.motion.warp_features(features)
    visible = list(reversed(outcome.pair.motion.occlusion_maps))
    driving = [level / mask for level, mask in zip(moved, visible, strict=True)]
    assert warp_loss(features, driving, outcome.pair.motion).item() < 1e-6


@pytest.mark.parametrize("motion", ["cpab", "tps"])
def test_objective_sums_the_losses_and_trains_every_network(motion: str) -> None:
    objective, outcome = outcome_of({"model.motion": motion}, LossesConfig())
    losses = outcome.losses
    assert set(losses) == {"reconstruction", "warp", "equivariance", "background", "loss"}
    parts = [value for name, value in losses.items() if name != "loss"]
    torch.testing.assert_close(losses["loss"], torch.stack(parts).sum())
    losses["loss"].backward()
    for name, part in objective.model.named_children():
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        if name == "candidate_motion":  # it has no parameters
            continue
        assert sum(float(g.abs().sum()) for g in gradients) > 0, name


def test_deformed_frame_has_no_visible_border() -> None:
    """A bright frame stays bright, because it is padded by reflection."""
    model = tiny_model(tiny_config()).train()
    seen: list[Tensor] = []
    model.keypoint_detector.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    shift = random_tps(2, sigma_affine=0.3, generator=torch.Generator().manual_seed(0))
    bright = 0.5 + images(2) / 2
    objective = Objective(model, Losses(LossesConfig(), PixelLoss()))
    objective(images(1), bright, sample=StepSample(shift, None), with_background=True)
    deformed = seen[0].chunk(3)[2]
    assert (shift.flow(32, 32).abs() > 1).any()
    assert deformed.min() >= 0.5


def test_weights_scale_and_disable_losses() -> None:
    _, full = outcome_of({}, LossesConfig())
    _, half = outcome_of({}, LossesConfig(reconstruction=5, warp=0, background=0))
    assert set(half.losses) == {"reconstruction", "equivariance", "loss"}
    torch.testing.assert_close(2 * half.losses["reconstruction"], full.losses["reconstruction"])


def test_detached_fit_blocks_the_gradient_to_the_keypoints() -> None:
    """The flow then depends on the keypoints through the dense motion network only."""
    for implicit, expected in ((True, True), (False, False)):
        model = tiny_model(tiny_config(**{"model.cpab.fit": "solve" if implicit else "detached"}))
        source, driving = model.keypoints(images(1)), model.keypoints(images(2))
        flows = model.candidate_motion(source, driving, (8, 8))
        assert flows.requires_grad is expected


def test_missing_perceptual_weights_are_an_error_with_both_cures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cures = (
        r"VGG-19.*give its path as losses\.perceptual\.weights or set "
        r"losses\.reconstruction_kind=pixel$"
    )
    with pytest.raises(ConfigError, match=cures):
        losses_of(LossesConfig())
    lite0 = PerceptualConfig(network="tf_efficientnet_lite0")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(ConfigError, match=r"lite0 weights, 19 MB, apache-2\.0.*kind=pixel$"):
        losses_of(LossesConfig(perceptual=lite0))
    with pytest.raises(ConfigError, match=r"perceptual\.network: vgg99 is not a pretrained model"):
        losses_of(LossesConfig(perceptual=PerceptualConfig(network="vgg99")))
    assert isinstance(
        losses_of(LossesConfig(reconstruction_kind="pixel")).reconstruction, PixelLoss
    )


def test_damaged_perceptual_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        losses_of(LossesConfig(perceptual=PerceptualConfig(weights=tmp_path / "none.pth")))
    (tmp_path / "bad.pth").write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match=r"bad\.pth: is a web page"):
        losses_of(LossesConfig(perceptual=PerceptualConfig(weights=tmp_path / "bad.pth")))


def test_reconstruction_is_perceptual_if_weights_are_found(tmp_path: Path) -> None:
    tensors = {f"features.{name}": value for name, value in vgg19_layers().state_dict().items()}
    torch.save(tensors, tmp_path / "vgg.pth")
    perceptual = PerceptualConfig(weights=tmp_path / "vgg.pth")
    losses = losses_of(LossesConfig(perceptual=perceptual))
    assert isinstance(losses.reconstruction, PerceptualLoss)
