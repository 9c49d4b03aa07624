import pytest
import torch
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model

from cpabmm_core.config import config_from_dict
from cpabmm_core.cpab import fit, transform
from cpabmm_core.errors import ConfigError
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.build import build_model
from cpabmm_core.models.cpab_motion import CpabMotion


def test_defaults_have_the_shapes_of_the_paper() -> None:
    with torch.device("meta"):
        model = build_model(config_from_dict({}, "defaults"))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes["dense_motion.hourglass.down_blocks.0.conv.weight"] == (128, 87, 3, 3)
    assert shapes["dense_motion.contribution_head.weight"] == (12, 151, 7, 7)
    heads = [shapes[f"dense_motion.occlusion_heads.{i}.weight"][1] for i in range(4)]
    assert heads == [256, 151, 75, 37]
    assert shapes["generator.down_blocks.2.conv.weight"] == (512, 256, 3, 3)
    assert shapes["keypoint_detector.head.linear.weight"] == (100, 512)
    assert model.frame_size == 256
    assert isinstance(model.candidate_motion, CpabMotion)
    assert model.candidate_motion.local_space.dim == 58
    assert model.candidate_motion.global_space is not None
    assert model.candidate_motion.global_space.dim == 130


@pytest.mark.parametrize("frame_size", [32, 64, 96])
def test_sizes_need_not_be_powers_of_two(frame_size: int) -> None:
    model = tiny_model(tiny_config(**{"data.frame_size": frame_size, "model.motion": "tps"}))
    frames = torch.rand(1, 3, frame_size, frame_size)
    with torch.inference_mode():
        poses = model.keypoints(frames)
        generated = model.generate(frames, model.motion(frames, poses, poses))
    assert generated.shape == frames.shape


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.frame_size": 100}, "data.frame_size: 100 is not divisible by 32; use 96 or 128"),
        ({"data.frame_size": 16}, "data.frame_size: 16 is not divisible by 32; use 32"),
        (
            {"data.frame_size": 32, "model.inpainting.down_blocks": 6},
            "data.frame_size: 32 is not divisible by 64; use 64",
        ),
        (
            {"data.frame_size": 32, "model.inpainting.down_blocks": 5},
            "data.frame_size: 32 pixels shrink to one",
        ),
        (
            {"data.frame_size": 96, "model.inpainting.down_blocks": 5},
            "model.inpainting.down_blocks: 5 needs more occlusion maps",
        ),
        ({"model.dense_motion.scale_factor": 0.3}, "model.dense_motion.scale_factor: 0.3 is not"),
        ({"model.keypoints.backbone": "nope"}, "backbone nope: not a model of timm"),
        ({"model.background.backbone": "nope"}, "backbone nope: not a model of timm"),
    ],
)
def test_wrong_sizes_and_names_are_errors(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_model(tiny_config(**changes))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"padding": 0, "scale_factor": 0.125},
            "model.affine.padding: 0 is too small for features",
        ),
        ({"scale_factor": 0.3}, "model.affine.scale_factor: 0.3 is not 1, 0.5, 0.25"),
        ({"blocks": 6}, "data.frame_size: 32 is not divisible by 128"),
    ],
)
def test_wrong_affine_sizes_are_errors(changes: dict[str, object], message: str) -> None:
    affine = {**tiny_affine_config().model.affine.model_dump(), **changes}
    with pytest.raises(ConfigError) as caught:
        build_model(tiny_affine_config(**{"model.affine": affine}))
    assert str(caught.value).startswith(message)


def test_a_background_encoder_too_deep_for_the_frame_is_an_error() -> None:
    background = {"backbone": "hourglass", "blocks": 6}
    with pytest.raises(ConfigError, match=r"not divisible by 64.* or lower model\.background\.blo"):
        build_model(tiny_affine_config(**{"model.background": background}))


def test_heatmaps_of_the_smallest_size_work() -> None:
    affine = tiny_affine_config().model.affine.model_dump()
    changes = {**affine, "padding": 0, "scale_factor": 0.25, "blocks": 2}
    model = build_model(tiny_affine_config(**{"model.affine": changes})).eval()
    assert model.keypoints(torch.rand(1, 3, 32, 32)).isfinite().all()


def test_the_avd_network_fits_the_models_keypoints() -> None:
    assert tiny_model().avd is None
    config = tiny_config(**{"model.avd": {"id_bottle_size": 3, "pose_bottle_size": 5}})
    avd = tiny_model(config).avd
    assert avd is not None
    shapes = {name: tuple(weights.shape) for name, weights in avd.named_parameters()}
    assert shapes["id_encoder.9.weight"] == (3, 1024)
    assert shapes["pose_encoder.9.weight"] == (5, 1024)
    assert shapes["decoder.9.weight"] == (2 * 6, 256)


@pytest.mark.parametrize("length_scale", [0.2, 1.5])
def test_the_length_scale_reaches_all_transformations(length_scale: float) -> None:
    motion = build_model(tiny_config(**{"model.cpab.length_scale": length_scale})).candidate_motion
    assert isinstance(motion, CpabMotion)
    source, driving = torch.rand(2, 1, 6, 2, generator=torch.Generator().manual_seed(0)).unbind()
    flows = motion(2 * source - 1, 2 * driving - 1, (8, 8))
    grid = (identity_grid(8, 8).view(1, 64, 2) + 1) / 2
    for candidates, sets in ((slice(0, 2), 2), (slice(2, 3), 1)):
        start, end = (points.view(sets, -1, 2) for points in (driving, source))
        theta = fit(motion.local_space, start, end, length_scale=length_scale).theta
        moved = transform(motion.local_space, theta, grid.expand(sets, -1, -1))
        expected = (2 * moved - 1).view(1, sets, 8, 8, 2)
        torch.testing.assert_close(flows[:, candidates], expected, atol=1e-5, rtol=0)


def test_the_papers_fit_is_available() -> None:
    changes = {"model.cpab.fit": "paper", "model.cpab.paper_iterations": 5}
    model = build_model(tiny_config(**changes, **{"model.cpab.iterations": 1}))
    motion = model.candidate_motion
    assert isinstance(motion, CpabMotion)
    source, driving = torch.rand(2, 1, 6, 2, generator=torch.Generator().manual_seed(0)).unbind()
    flows = motion(2 * source - 1, 2 * driving - 1, (8, 8))
    grid = (identity_grid(8, 8).view(1, 64, 2) + 1) / 2
    for candidates, sets, iterations in ((slice(0, 2), 2, 5), (slice(2, 3), 1, 7)):
        start, end = (points.view(sets, -1, 2) for points in (driving, source))
        theta = fit(motion.local_space, start, end, "adam", iterations=iterations).theta
        moved = transform(motion.local_space, theta, grid.expand(sets, -1, -1))
        expected = (2 * moved - 1).view(1, sets, 8, 8, 2)
        torch.testing.assert_close(flows[:, candidates], expected, atol=1e-5, rtol=0)
