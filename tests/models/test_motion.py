import pytest
import torch
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.geometry.coordinates import identity_grid
from cpabmm_core.models.cpab_motion import CpabMotion
from cpabmm_core.models.motion import CandidateMotion
from cpabmm_core.models.tps_motion import TpsMotion

GROUPS, PER_GROUP, SIDE = 2, 3, 9
PIXELS = torch.tensor([[2, 2], [5, 2], [3, 4], [4, 5], [6, 5], [5, 6]])  # (N, 2) as (x, y)


def cpab(*, with_global: bool = True, implicit_gradient: bool = True) -> CpabMotion:
    local, overall = (VelocitySpace(Tessellation(n, n)) for n in (3, 4))
    return CpabMotion(
        GROUPS, local, overall if with_global else None, implicit_gradient=implicit_gradient
    )


def keypoints() -> tuple[Tensor, Tensor]:  # source and driving, each (2, N, 2)
    """Return driving keypoints at pixel centres, and source keypoints after a gentle motion."""
    driving = identity_grid(SIDE, SIDE)[PIXELS[:, 1], PIXELS[:, 0]].repeat(2, 1, 1)
    bend = 0.1 * torch.sin(2 * driving.flip(-1)) + torch.tensor([0.05, -0.02])
    return driving + bend * torch.tensor([1.0, -0.5])[:, None, None], driving


def at_keypoints(flows: Tensor, candidate: int) -> Tensor:  # (B, N, 2)
    return flows[:, candidate, PIXELS[:, 1], PIXELS[:, 0]]


@pytest.mark.parametrize("motion", [cpab(), cpab(with_global=False)])
def test_flows_are_the_identity_between_equal_poses(motion: CpabMotion) -> None:
    _, driving = keypoints()
    flows = motion(driving, driving, (SIDE, SIDE))
    assert flows.shape == (2, motion.count, SIDE, SIDE, 2)
    expected = identity_grid(SIDE, SIDE).expand_as(flows)
    torch.testing.assert_close(flows, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("motion", [TpsMotion(GROUPS), cpab()])
def test_each_flow_maps_the_driving_keypoints_of_its_group_to_the_source(
    motion: CandidateMotion,
) -> None:
    source, driving = keypoints()
    flows = motion(source, driving, (SIDE, SIDE))
    # TPSMM also regularises the affine part, so its splines shrink slightly.
    tolerance = 0.05 if isinstance(motion, TpsMotion) else 5e-3
    for group in range(GROUPS):
        members = slice(group * PER_GROUP, (group + 1) * PER_GROUP)
        torch.testing.assert_close(
            at_keypoints(flows, group)[:, members], source[:, members], rtol=0, atol=tolerance
        )


def test_the_last_cpab_flow_maps_all_keypoints_to_the_source() -> None:
    source, driving = keypoints()
    flows = cpab()(source, driving, (SIDE, SIDE))
    torch.testing.assert_close(at_keypoints(flows, GROUPS), source, rtol=0, atol=5e-3)


def test_without_the_global_candidate_the_local_flows_stay_the_same() -> None:
    source, driving = keypoints()
    both = cpab()(source, driving, (SIDE, SIDE))
    local = cpab(with_global=False)(source, driving, (SIDE, SIDE))
    torch.testing.assert_close(local, both[:, :GROUPS])


def test_implicit_gradient_moves_the_flow_with_the_source_keypoint() -> None:
    """The flow at a driving keypoint is its source keypoint, so the derivative is about 1."""
    source, driving = keypoints()
    source.requires_grad_()
    driving.requires_grad_()
    flows = cpab()(source, driving, (SIDE, SIDE))
    at_keypoints(flows, 0)[0, 1, 0].backward()
    assert source.grad is not None
    expected = torch.zeros_like(source)
    expected[0, 1, 0] = 1.0
    torch.testing.assert_close(source.grad, expected, rtol=0, atol=0.05)
    assert driving.grad is not None
    assert driving.grad.abs().sum() > 0


def test_a_detached_fit_has_no_gradient() -> None:
    source, driving = keypoints()
    flows = cpab(implicit_gradient=False)(source.requires_grad_(), driving, (SIDE, SIDE))
    assert not flows.requires_grad


def papers_motion(*, training: bool) -> CpabMotion:
    local, overall = (VelocitySpace(Tessellation(n, n)) for n in (3, 4))
    motion = CpabMotion(
        GROUPS,
        local,
        overall,
        solver="adam",
        iterations=8,
        global_iterations=8,
        implicit_gradient=False,
    )
    return motion.train(training)


def test_the_papers_fit_in_eval_mode_is_independent_of_the_batch() -> None:
    source, driving = keypoints()
    motion = papers_motion(training=False)
    together = motion(source, driving, (SIDE, SIDE))
    for b in range(2):
        alone = motion(source[b : b + 1], driving[b : b + 1], (SIDE, SIDE))
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-5, rtol=0)


def test_the_papers_fit_in_training_shares_one_norm_in_the_batch() -> None:
    """As in the paper's code; fitting the sets of both frames together gives the expected flows."""
    source, driving = keypoints()
    flows = papers_motion(training=True)(source.requires_grad_(), driving, (SIDE, SIDE))
    assert not flows.requires_grad
    space = VelocitySpace(Tessellation(3, 3))
    start, end = ((p.detach().view(-1, PER_GROUP, 2) + 1) / 2 for p in (driving, source))
    theta = fit(space, start, end, "adam", iterations=8).theta
    grid = (identity_grid(SIDE, SIDE).view(1, -1, 2) + 1) / 2
    moved = 2 * transform(space, theta, grid.expand(2 * GROUPS, -1, -1)) - 1
    expected = moved.view(2, GROUPS, SIDE, SIDE, 2)
    torch.testing.assert_close(flows[:, :GROUPS], expected, atol=1e-5, rtol=0)
    in_eval_mode = papers_motion(training=False)(source, driving, (SIDE, SIDE))
    assert (flows - in_eval_mode).abs().max() > 1e-3


@pytest.mark.parametrize("motion", [TpsMotion(GROUPS), cpab()])
def test_mixed_precision_changes_nothing(motion: CandidateMotion) -> None:
    source, driving = keypoints()
    plain = motion(source, driving, (SIDE, SIDE))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = motion(source, driving, (SIDE, SIDE))
    assert torch.equal(mixed, plain)
