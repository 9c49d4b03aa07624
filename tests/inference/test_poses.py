import math
from typing import Any

import numpy as np
import pytest
import torch
from _helpers.published_model import golden
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from scipy.spatial import ConvexHull
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.errors import ConfigError, DataError, ShapeError
from cpabmm_core.geometry import local_affine
from cpabmm_core.inference import PoseTransfer, best_reference, pose_gap, transfer_keypoints
from cpabmm_core.inference.transfer import TransferMode
from cpabmm_core.models.avd import AvdNetwork

_FRAMES = 7


def cloud(seed: int, batch: int = 1, keypoints: int = 10) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, keypoints, 2, generator=generator, dtype=torch.float64) - 0.5


def affine_cloud(seed: int, batch: int = 1) -> Tensor:
    """Return keypoints whose jacobians are turned and stretched a little."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch, 10, 2, 2, generator=generator, dtype=torch.float64)
    matrices = torch.eye(2, dtype=torch.float64) + 0.2 * noise
    return local_affine.with_jacobians(cloud(seed, batch), matrices)


def avd_network(numbers: int = 2) -> AvdNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AvdNetwork(10, 4, 4, numbers_per_keypoint=numbers).double().eval()


@torch.no_grad()
@pytest.mark.parametrize("make", [cloud, affine_cloud])
@pytest.mark.parametrize("mode", ["standard", "relative", "avd"])
@pytest.mark.parametrize("hull_scaling", [True, False])
def test_without_scale_and_smoothing_each_pose_is_the_plain_transfer(
    make: type[Tensor], mode: TransferMode, hull_scaling: bool
) -> None:
    source, driving = make(0), make(1, _FRAMES)
    avd = avd_network(source.shape[-1])
    poses = PoseTransfer(source, mode, avd=avd, hull_scaling=hull_scaling)
    ours = poses.step(driving)
    for frame, pose in zip(driving.split(1), ours.split(1), strict=True):
        expected = transfer_keypoints(
            mode, source, frame, driving[:1], avd, hull_scaling=hull_scaling
        )
        torch.testing.assert_close(pose, expected, rtol=0, atol=1e-12)


def test_relative_poses_agree_with_tpsmm() -> None:
    expected = golden("tpsmm")
    poses = PoseTransfer(expected["kp_source"], reference=expected["kp_driving_initial"])
    ours = poses.step(expected["kp_driving"])
    torch.testing.assert_close(ours, expected["kp_relative"], rtol=0, atol=1e-6)


def test_relative_poses_with_jacobians_agree_with_fomm() -> None:
    expected = golden("fomm")
    source, driving, start, relative = (
        local_affine.with_jacobians(expected[f"kp_{name}"], expected[f"jacobian_{name}"])
        for name in ("source", "driving", "driving_initial", "relative")
    )
    ours = PoseTransfer(source, reference=start).step(driving)
    torch.testing.assert_close(ours, relative, rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", [cloud, affine_cloud])
@pytest.mark.parametrize("mode", ["standard", "relative", "avd"])
@pytest.mark.parametrize("sizes", [(1,) * _FRAMES, (3, 0, 4), (2, 5)], ids=str)
def test_batches_make_no_difference(
    make: type[Tensor], mode: TransferMode, sizes: tuple[int, ...]
) -> None:
    source, driving = make(0), make(1, _FRAMES)
    times = [0.0, 0.04, 0.06, 0.2, 0.21, 0.3, 1.0]

    def transfer() -> PoseTransfer:
        avd = avd_network(source.shape[-1])
        return PoseTransfer(source, mode, avd=avd, motion_scale=0.7, smooth=0.6)

    whole, parts, start = transfer().step(driving, times), [], 0
    poses = transfer()
    for size in sizes:
        stop = start + size
        parts.append(poses.step(driving[start:stop], times[start:stop]))
        start = stop
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-12)


def peers_movement(source: Array, frame: Array, initial: Array) -> Array:
    """Restate relative animation of one frame as FOMM, MRAA and TPSMM do it."""
    size = math.sqrt(ConvexHull(source).volume) / math.sqrt(ConvexHull(initial).volume)
    return source + size * (frame - initial)


@pytest.mark.parametrize("index", [0, 3, _FRAMES - 1])
def test_a_reference_gives_what_the_peers_play_both_ways_from_their_best_frame(index: int) -> None:
    source, driving = cloud(0), cloud(1, _FRAMES)
    frames, still = list(driving.numpy()), source[0].numpy()
    forwards, backwards = frames[index:], frames[: index + 1][::-1]
    # Each of the two runs takes its first frame as the initial one.
    later = [peers_movement(still, frame, forwards[0]) for frame in forwards]
    earlier = [peers_movement(still, frame, backwards[0]) for frame in backwards]
    expected = np.stack(earlier[::-1] + later[1:])

    ours = PoseTransfer(source, reference=driving[index : index + 1]).step(driving)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-12)


def test_the_first_frame_is_the_reference_for_all_batches() -> None:
    source, driving = cloud(0), cloud(1, 4)
    poses = PoseTransfer(source)
    assert poses.reference is None
    poses.step(driving[:0])
    assert poses.reference is None
    poses.step(driving[:2])
    assert poses.reference is not None
    assert torch.equal(poses.reference, driving[:1])
    expected = transfer_keypoints("relative", source, driving[2:], driving[:1])
    torch.testing.assert_close(poses.step(driving[2:]), expected)


def test_a_moving_source_moves_each_of_its_frames_by_the_size_of_the_first() -> None:
    source, driving = cloud(0, 4), cloud(1, 4)
    source[2] *= 3
    poses = PoseTransfer(source[:1])
    ours = torch.cat([poses.step(driving[i : i + 2], source=source[i : i + 2]) for i in (0, 2)])
    size = math.sqrt(ConvexHull(source[0]).volume / ConvexHull(driving[0]).volume)
    torch.testing.assert_close(ours, source + size * (driving - driving[:1]))
    at_once = PoseTransfer(source).step(driving)
    torch.testing.assert_close(at_once, ours)


def test_a_motion_scale_multiplies_relative_movements() -> None:
    source, driving = cloud(0), cloud(1, 3)
    plain = PoseTransfer(source).step(driving)
    for scale in (0.0, 0.5, 1.0, 2.5):
        ours = PoseTransfer(source, motion_scale=scale).step(driving)
        torch.testing.assert_close(ours, source + scale * (plain - source))


@pytest.mark.parametrize("mode", ["standard", "avd"])
def test_a_motion_scale_leads_from_the_source_to_the_new_pose(mode: TransferMode) -> None:
    source, driving, avd = affine_cloud(0), affine_cloud(1, 3), avd_network(6)
    target = PoseTransfer(source, mode, avd=avd).step(driving)

    def scaled(scale: float) -> Tensor:
        return PoseTransfer(source, mode, avd=avd, motion_scale=scale).step(driving)

    torch.testing.assert_close(scaled(0), source.expand_as(driving))
    assert torch.equal(scaled(1), target)
    half = local_affine.positions(scaled(0.5))
    middle = (local_affine.positions(source) + local_affine.positions(target)) / 2
    torch.testing.assert_close(half, middle)


@pytest.mark.parametrize("options", [{"motion_scale": 0.5}, {"smooth": 0.8}])
def test_axes_without_direction_may_change_their_sign_from_frame_to_frame(
    options: dict[str, Any],
) -> None:
    """The signs of principal axes are arbitrary, so poses agree up to a sign."""
    source, driving = affine_cloud(0), affine_cloud(1, 5)
    signs = torch.ones(5, 10, 1, 1, dtype=torch.float64)
    signs[1::2, ::3] = -1
    flipped = local_affine.with_jacobians(
        local_affine.positions(driving), signs * local_affine.jacobians(driving)
    )
    one, other = (
        PoseTransfer(source, undirected=True, **options).step(each) for each in (driving, flipped)
    )
    aligned = local_affine.align_axes(other.flatten(0, 1)[None], one.flatten(0, 1)[None])
    torch.testing.assert_close(aligned, one.flatten(0, 1)[None])


@pytest.mark.parametrize("mode", ["relative", "standard"])
@pytest.mark.parametrize("scale", [0.0, 0.5, 10.0])
def test_degenerate_keypoints_give_finite_poses(mode: TransferMode, scale: float) -> None:
    equal = torch.full((1, 10, 2), 0.25, dtype=torch.float64)
    line = torch.linspace(-0.5, 0.5, 10, dtype=torch.float64)[None, :, None].expand(1, 10, 2)
    for source in (equal, line, cloud(0)):
        for driving in (equal, line, cloud(1)):
            poses = PoseTransfer(source, mode, motion_scale=scale, smooth=0.5)
            assert poses.step(driving.expand(3, -1, -1)).isfinite().all()
            gap = poses.pose_gap()
            assert gap is None or math.isfinite(gap)


def test_smoothing_uses_the_times_of_the_frames() -> None:
    source = cloud(0)
    driving = source + 1e-6 * cloud(1, 3)  # so slow that the speed does not matter
    quick, slow, default = (
        PoseTransfer(source, smooth=1).step(driving, times)
        for times in ([0, 0.01, 0.02], [0, 1, 2], None)
    )
    plain = PoseTransfer(source).step(driving)
    assert (slow - plain).abs().max() < (default - plain).abs().max()
    assert (default - plain).abs().max() < (quick - plain).abs().max()


def test_a_model_decides_about_hull_scaling_and_axes() -> None:
    for config in (tiny_config(), tiny_affine_config("pca")):
        model = tiny_model(config)
        model.relative_hull_scaling = False
        images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            points = model.keypoints(images)
        ours = PoseTransfer.for_model(model, points[:1]).step(points[1:])
        expected = transfer_keypoints(
            "relative", points[:1], points[1:], points[1:2], hull_scaling=False
        )
        assert torch.equal(ours, expected)
        scaled = PoseTransfer.for_model(model, points[:1], hull_scaling=True).step(points[1:])
        assert not torch.equal(ours, scaled)


def test_the_pose_gap_is_that_of_source_and_reference() -> None:
    source, driving = cloud(0), cloud(1, 3)
    poses = PoseTransfer(source)
    assert poses.pose_gap() is None
    poses.step(driving)
    gap = poses.pose_gap()
    assert gap == pytest.approx(pose_gap(source, driving[:1]))
    best = best_reference(source, driving)
    smallest = PoseTransfer(source, reference=driving[best : best + 1]).pose_gap()
    assert gap is not None
    assert smallest is not None
    assert smallest <= gap


def test_modes_without_a_reference_have_no_pose_gap() -> None:
    poses = PoseTransfer(cloud(0), "standard")
    poses.step(cloud(1))
    assert poses.pose_gap() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "absolute"}, "mode absolute: unknown"),
        ({"mode": "avd"}, "no avd network"),
        ({"motion_scale": -0.5}, r"motion_scale: expected 0 to 10, got -0\.5; "),
        ({"motion_scale": 1e9}, r"motion_scale: expected 0 to 10, got 1e\+09; "),
        ({"motion_scale": math.nan}, r"motion_scale: expected 0 to 10, got nan; "),
        ({"smooth": -0.1}, r"smooth: expected 0 \(none\) to 1 \(strong\), got -0\.1"),
        ({"smooth": 1.5}, r"smooth: expected 0 \(none\) to 1 \(strong\), got 1\.5"),
        ({"smooth": math.nan}, "smooth: expected 0"),
    ],
)
def test_settings_out_of_range_are_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        PoseTransfer(cloud(0), **options)
    assert "\n" not in str(caught.value)


def test_keypoints_of_another_model_are_an_error() -> None:
    with pytest.raises(ShapeError, match=r"driving: expected \(B, 10, 2\) .* got \(1, 10, 6\)"):
        PoseTransfer(cloud(0)).step(affine_cloud(1))
    with pytest.raises(ShapeError, match=r"driving: expected .* got \(1, 9, 2\)"):
        PoseTransfer(cloud(0)).step(cloud(1, keypoints=9))
    with pytest.raises(ShapeError, match=r"reference: expected .* got \(1, 9, 2\)"):
        PoseTransfer(cloud(0), reference=cloud(1, keypoints=9))
    with pytest.raises(ShapeError, match="reference: expected the keypoints of 1 frame, got 2"):
        PoseTransfer(cloud(0), reference=cloud(1, 2))
    with pytest.raises(ShapeError, match="source: expected the keypoints of 1 or 3 frames, got 2"):
        PoseTransfer(cloud(0, 2)).step(cloud(1, 3))


@pytest.mark.parametrize("times", [[0, 0, 1], [0, 2, 1], [0, 1, math.nan], [0, 1, math.inf]])
def test_times_that_do_not_rise_are_an_error_when_they_matter(times: list[float]) -> None:
    with pytest.raises(DataError, match=r"times: expected rising seconds"):
        PoseTransfer(cloud(0), smooth=0.1).step(cloud(1, 3), times)
    PoseTransfer(cloud(0)).step(cloud(1, 3), times)


def test_each_pose_needs_a_time() -> None:
    with pytest.raises(ShapeError, match="times: expected one for each of the 3 poses, got 2"):
        PoseTransfer(cloud(0)).step(cloud(1, 3), [0, 1])
