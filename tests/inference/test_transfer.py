import math

import pytest
import torch
from _helpers.published_model import golden

from cpabmm_core.errors import ConfigError
from cpabmm_core.geometry.local_affine import with_jacobians
from cpabmm_core.inference.transfer import hull_area, transfer_keypoints
from cpabmm_core.models.avd import AvdNetwork


def points(*rows: tuple[float, float]) -> torch.Tensor:
    return torch.tensor([rows], dtype=torch.float64)


def cloud(seed: int, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 50, 2, generator=generator, dtype=torch.float64) - 0.5


def test_standard_returns_the_driving_keypoints() -> None:
    driving = cloud(1, batch=3)
    assert torch.equal(transfer_keypoints("standard", cloud(0), driving, cloud(2)), driving)


def test_relative_agrees_with_tpsmm() -> None:
    expected = golden("tpsmm")
    source, driving = expected["kp_source"], expected["kp_driving"]
    ours = transfer_keypoints("relative", source, driving, expected["kp_driving_initial"])
    assert (expected["kp_relative"] - source).abs().max() > 0.01
    torch.testing.assert_close(ours, expected["kp_relative"], rtol=0, atol=1e-6)


def test_relative_transforms_jacobians_like_fomm() -> None:
    expected = golden("fomm")
    source, driving, start = (
        with_jacobians(expected[f"kp_{name}"], expected[f"jacobian_{name}"])
        for name in ("source", "driving", "driving_initial")
    )
    ours = transfer_keypoints("relative", source, driving, start)
    theirs = with_jacobians(expected["kp_relative"], expected["jacobian_relative"])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_relative_scales_movements_to_the_size_of_the_source() -> None:
    """If the source is a scaled and shifted reference, the poses are scaled and shifted alike."""
    reference, driving = cloud(0), cloud(1, batch=4)
    shift = torch.tensor([0.3, -0.2], dtype=torch.float64)
    expected = 0.4 * driving + shift
    ours = transfer_keypoints("relative", 0.4 * reference + shift, driving, reference)
    torch.testing.assert_close(ours, expected)


def test_relative_without_scaling_adds_the_movement_unscaled() -> None:
    """As in FOMM's configurations, with adapt_movement_scale off."""
    source, reference, driving = 0.4 * cloud(0), cloud(1), cloud(2, batch=3)
    ours = transfer_keypoints("relative", source, driving, reference, hull_scaling=False)
    torch.testing.assert_close(ours, source + driving - reference)
    scaled = transfer_keypoints("relative", source, driving, reference)
    assert (ours - scaled).abs().max() > 0.1


def test_relative_starts_at_the_source() -> None:
    source, reference = cloud(0), cloud(1)
    ours = transfer_keypoints("relative", source, reference, reference)
    torch.testing.assert_close(ours, source)


@pytest.mark.parametrize(
    "flat",
    [
        points((0.1, 0.1), (0.1, 0.1), (0.1, 0.1)),
        points((-0.5, -0.5), (0.0, 0.0), (0.5, 0.5)),
        points((-0.5, 0.2), (0.0, 0.2 + 1e-6), (0.5, 0.2)),
    ],
    ids=["equal", "collinear", "nearly collinear"],
)
def test_a_degenerate_hull_does_not_scale(flat: torch.Tensor) -> None:
    wide = points((-0.5, -0.5), (0.5, -0.5), (0.0, 0.5))
    driving = wide + 0.25
    torch.testing.assert_close(
        transfer_keypoints("relative", wide, driving, flat), wide + driving - flat
    )
    torch.testing.assert_close(
        transfer_keypoints("relative", flat, driving, wide), flat + driving - wide
    )


@torch.no_grad()
def test_avd_combines_the_shape_of_the_source_with_each_driving_pose() -> None:
    network = AvdNetwork(50, 4, 4).double().eval()
    source, driving = cloud(0), cloud(1, batch=3)
    ours = transfer_keypoints("avd", source, driving, cloud(2), network)
    assert ours.shape == driving.shape
    for pose, moved in zip(driving.split(1), ours.split(1), strict=True):
        torch.testing.assert_close(moved, network(source, pose))
    assert not torch.allclose(ours[0], ours[1])


def test_avd_without_a_network_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no avd network; train one with `train_avd`"):
        transfer_keypoints("avd", cloud(0), cloud(1), cloud(2))


def test_an_unknown_mode_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"mode absolute: unknown; use standard, relative or"):
        transfer_keypoints("absolute", cloud(0), cloud(1), cloud(2))  # type: ignore[arg-type]


def test_hull_area_ignores_inner_and_repeated_points() -> None:
    corners = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    more = [(1.0, 1.0), (0.5, 1.5), (1.0, 0.0), (2.0, 2.0)]
    assert hull_area(points(*corners, *more)[0]) == pytest.approx(4.0)


@pytest.mark.parametrize("sides", [3, 5, 64])
def test_hull_area_of_a_regular_polygon(sides: int) -> None:
    angles = torch.randperm(sides) * (2 * math.pi / sides)
    ring = torch.stack((angles.cos(), angles.sin()), dim=1).double()
    expected = sides / 2 * math.sin(2 * math.pi / sides)
    assert hull_area(ring) == pytest.approx(expected, rel=1e-6)


def test_hull_area_scales_with_the_determinant() -> None:
    matrix = torch.tensor([[1.5, 0.4], [-0.3, 0.8]], dtype=torch.float64)
    some = cloud(3)[0]
    expected = abs(torch.linalg.det(matrix).item()) * hull_area(some)
    assert hull_area(some @ matrix.T) == pytest.approx(expected)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hull_area_of_too_few_points_is_zero(count: int) -> None:
    assert hull_area(cloud(0)[0, :count]) == 0
