import pytest
import torch
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from torch import Tensor

from cpabmm_core.cpab import fit, transform
from cpabmm_core.errors import ConfigError
from cpabmm_core.geometry.coordinates import from_unit_square, identity_grid, to_unit_square
from cpabmm_core.models.animation_model import AnimationModel
from cpabmm_core.models.cpab_motion import CpabMotion
from cpabmm_core.models.motion_swap import with_cpab_motion

SPLINES = tiny_model(tiny_config(**{"model.motion": "tps"}))
SOURCE, DRIVING = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def candidates(model: AnimationModel) -> Tensor:  # (1, K, h, w, 2)
    with torch.no_grad():
        poses = model.keypoints(SOURCE), model.keypoints(DRIVING)
        return model.candidate_motion(*poses, (8, 8))


def test_each_candidate_is_the_cpab_fit_to_the_keypoints_of_its_spline() -> None:
    swapped = with_cpab_motion(SPLINES)
    motion = swapped.candidate_motion
    assert isinstance(motion, CpabMotion)
    with torch.no_grad():
        source, driving = (SPLINES.keypoints(image) for image in (SOURCE, DRIVING))
        source, driving = (to_unit_square(points).view(2, 3, 2) for points in (source, driving))
        theta = fit(motion.local_space, driving, source, length_scale=0.5).theta
        grid = to_unit_square(identity_grid(8, 8)).view(1, -1, 2).expand(2, -1, -1)
        expected = from_unit_square(transform(motion.local_space, theta, grid)).view(1, 2, 8, 8, 2)
    torch.testing.assert_close(candidates(swapped), expected, rtol=0, atol=1e-5)


def test_the_networks_are_shared_and_the_model_is_left_as_it_was() -> None:
    before = candidates(SPLINES)
    swapped = with_cpab_motion(SPLINES)
    assert (SPLINES.motion_kind, swapped.motion_kind) == ("tps", "cpab")
    assert not swapped.training
    for name, parameter in SPLINES.named_parameters():
        assert swapped.get_parameter(name) is parameter
    assert torch.equal(candidates(SPLINES), before)
    assert not torch.allclose(candidates(swapped), before, atol=1e-3)


def test_a_model_with_cpab_motion_stays_as_it_is() -> None:
    model = tiny_model()
    assert with_cpab_motion(model) is model


def test_affine_motion_has_no_groups_to_fit() -> None:
    with pytest.raises(ConfigError, match="affine motion, whose keypoints form no groups"):
        with_cpab_motion(tiny_model(tiny_affine_config()))
