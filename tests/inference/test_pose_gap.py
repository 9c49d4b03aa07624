import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from cpabmm_core import load_model
from cpabmm_core.errors import Remedy, ShapeError
from cpabmm_core.geometry import local_affine
from cpabmm_core.inference import InferenceModel, best_reference, pose_gap, pose_gap_warning
from cpabmm_core.inference.pose_gap import OPPOSITE_POSE_GAP
from cpabmm_core.puppets import BodyPlan, render_puppet


def cloud(seed: int, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 10, 2, generator=generator, dtype=torch.float64) - 0.5


def test_position_and_size_make_no_gap() -> None:
    assert pose_gap(cloud(0), 0.2 * cloud(0) + torch.tensor([0.4, -0.3])) < 1e-12


def test_gap_of_a_rotation_has_a_closed_form() -> None:
    """A turn by an angle moves each point by 2 sin(angle / 2) of its radius."""
    for angle in (0.1, 1.0, math.pi):
        cosine, sine = math.cos(angle), math.sin(angle)
        turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
        assert pose_gap(cloud(0), cloud(0) @ turn.T) == pytest.approx(2 * math.sin(angle / 2))


def test_gap_is_symmetric_and_ignores_jacobians() -> None:
    one, other = cloud(0), cloud(1)
    assert pose_gap(one, other) == pytest.approx(pose_gap(other, one))
    with_jacobians = [
        local_affine.with_jacobians(each, torch.randn(1, 10, 2, 2).double())
        for each in (one, other)
    ]
    assert pose_gap(*with_jacobians) == pytest.approx(pose_gap(one, other))


def test_degenerate_shapes_have_a_finite_gap() -> None:
    point = torch.full((1, 10, 2), 0.3)
    line = torch.linspace(-1, 1, 10)[None, :, None].expand(1, 10, 2)
    assert pose_gap(point, point - 0.5) == 0
    assert pose_gap(line, 0.5 * line) == pytest.approx(0, abs=1e-6)
    assert pose_gap(point, line) == pytest.approx(1)
    assert pose_gap(line, point) == pytest.approx(1)


def test_the_nearest_frame_is_the_one_of_the_same_shape() -> None:
    driving = cloud(1, 6)
    assert best_reference(0.5 * driving[4:5] + 0.1, driving) == 4


def test_of_equal_frames_the_first_is_the_nearest() -> None:
    driving = cloud(1, 4)[[0, 1, 2, 2, 1, 3]]
    assert best_reference(driving[2:3], driving) == 2
    assert best_reference(driving[1:2], driving) == 1


@pytest.mark.parametrize("other", [cloud(1)[:, :9], torch.zeros(1, 10, 6), torch.zeros(0, 10, 2)])
def test_keypoints_that_do_not_fit_are_an_error(other: Tensor) -> None:
    with pytest.raises(ShapeError) as caught:
        best_reference(cloud(0), other)
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_sources_are_an_error() -> None:
    with pytest.raises(ShapeError, match=r"expected \(1, N, C\)"):
        best_reference(cloud(0, 2), cloud(1, 5))


def test_a_warning_says_what_to_do() -> None:
    assert pose_gap_warning(None) is None
    assert pose_gap_warning(0.2) is None
    warning = pose_gap_warning(0.31)
    assert warning is not None
    assert str(warning) == (
        "the poses of the source and the reference frame differ much (pose gap 0.31); use the "
        'nearest frame (`best_reference`), or mode="avd" if the model has it'
    )
    assert warning.remedy is Remedy.CHOOSE_REFERENCE


def test_a_warning_after_a_search_does_not_advise_to_search() -> None:
    warning = pose_gap_warning(0.4, searched=True)
    assert warning is not None
    assert "best_reference" not in str(warning)
    assert warning.remedy is Remedy.CHOOSE_POSE


@pytest.mark.parametrize("searched", [False, True])
def test_a_warning_of_a_very_large_gap_advises_to_mirror(searched: bool) -> None:
    warning = pose_gap_warning(0.8, searched=searched)
    assert warning is not None
    assert "opposite ways (pose gap 0.80); mirror the driving frames" in str(warning)
    assert warning.remedy is Remedy.MIRROR
    mirrored = pose_gap_warning(0.8, searched=searched, mirrored=True)
    assert mirrored is not None
    assert "mirror" not in str(mirrored)


@torch.no_grad()
def test_mirroring_brings_quadrupeds_together_that_face_opposite_ways() -> None:
    model = InferenceModel(load_model("puppets", device="cpu"))
    frames, faces_right = [], []
    for index in range(8):
        video = render_puppet(3, index, split="test", frames=1, size=128, body_plan="quadruped")
        frames.append(video.frames[0])
        chest, rump = (video.joint_names.index(name) for name in ("chest", "rump"))
        faces_right.append(video.joints[0, chest, 0] > video.joints[0, rump, 0])
    assert 0 < sum(faces_right) < 8
    plain = model.model.keypoints(model.to_input(frames))
    mirrored = model.model.keypoints(model.to_input([frame[:, ::-1].copy() for frame in frames]))
    for one, two in combinations(range(8), 2):
        gaps = [pose_gap(plain[one : one + 1], other[two : two + 1]) for other in (plain, mirrored)]
        same = faces_right[one] == faces_right[two]
        assert (gaps[0] > OPPOSITE_POSE_GAP, gaps[1] > OPPOSITE_POSE_GAP) == (not same, same)


@torch.no_grad()
def test_gaps_of_puppets_tell_equal_from_different_poses() -> None:
    """The same joints with the looks of other characters, and characters that face each other."""
    model = InferenceModel(load_model("puppets", device="cpu"))

    def keypoints(index: int, plan: BodyPlan, looks: int | None = None) -> Tensor:
        video = render_puppet(
            3, index, split="test", frames=1, size=96, body_plan=plan, looks=looks
        )
        return model.model.keypoints(model.to_input([video.frames[0]]))

    plans: tuple[BodyPlan, ...] = ("biped", "quadruped")
    for plan in plans:
        for index in range(4):
            other = keypoints(index, plan, looks=index + 20)
            assert pose_gap_warning(pose_gap(keypoints(index, plan), other)) is None
    dogs = [keypoints(index, "quadruped") for index in range(8)]
    mirrored = [dog * torch.tensor([-1.0, 1.0]) for dog in dogs]
    assert all(pose_gap(dog, other) > 0.5 for dog, other in zip(dogs, mirrored, strict=True))
    gaps = [pose_gap(dogs[0], dog) for dog in dogs[1:]]
    assert max(gaps) > 0.5
