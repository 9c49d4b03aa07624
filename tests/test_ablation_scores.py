"""The scores of the ablation: candidate motions, and videos."""

from pathlib import Path

import numpy as np
import pytest
import torch
from _helpers.tiny_model import tiny_affine_config, tiny_config, tiny_model
from ablation import candidates, scores, videos

from cpabmm_core.config import Config
from cpabmm_core.geometry import warp
from cpabmm_core.metrics import unexplained_share
from cpabmm_core.metrics.video_metric import Frames


def keypoints_on_a_grid(groups: int, per_group: int) -> torch.Tensor:  # (3, N, 2)
    """Return keypoints on the nodes of a grid of 17 x 17, all different within a frame."""
    random = np.random.default_rng(0)
    nodes = np.stack(
        [random.permutation(11 * 11)[: groups * per_group] for _ in range(3)]
    )  # inner nodes
    places = np.stack([nodes % 11 + 3, nodes // 11 + 3], axis=-1)
    return torch.tensor(places / 8 - 1, dtype=torch.float32)


@pytest.mark.parametrize("motion", ["tps", "cpab"])
def test_residuals_are_what_the_flows_leave_at_the_keypoints(motion: str) -> None:
    model = tiny_model(tiny_config(**{"model.motion": motion, "model.cpab.iterations": 1}))
    driving = keypoints_on_a_grid(2, 3)
    source = driving + 0.1 * torch.randn(driving.shape, generator=torch.manual_seed(1))
    flows = model.candidate_motion(source, driving, (17, 17))  # (3, K, 17, 17, 2)
    column, line = ((driving + 1) * 8).round().long().unbind(-1)
    expected = []
    for frame in range(3):
        at = [
            flows[frame, point // 3, line[frame, point], column[frame, point]] for point in range(6)
        ]
        expected.append((torch.stack(at) - source[frame]).norm(dim=-1).mean() * 31 / 2)
    found = candidates.fit_residuals(model, source, driving)
    torch.testing.assert_close(found.local, torch.stack(expected), atol=2e-4, rtol=1e-3)
    assert found.local.mean() > 0.01  # a perfect fit would prove nothing
    assert (found.overall is None) == (motion == "tps")
    if found.overall is not None:
        whole = flows[torch.arange(3)[:, None], 2, line, column]
        missed = (whole - source).norm(dim=-1).mean(1) * 31 / 2
        torch.testing.assert_close(found.overall, missed, atol=2e-4, rtol=1e-3)


def test_affine_maps_meet_their_keypoints() -> None:
    model = tiny_model(tiny_affine_config())
    keypoints = model.keypoints(torch.rand(4, 3, 32, 32)).detach()
    found = candidates.fit_residuals(model, keypoints[:1].expand_as(keypoints), keypoints)
    assert found.local.tolist() == [0.0] * 4
    assert found.overall is None


@pytest.mark.parametrize("fit", ["solve", "detached"])
def test_only_a_fit_with_gradients_teaches_the_keypoints(fit: str) -> None:
    model = tiny_model(tiny_config(**{"model.cpab.fit": fit}))
    images = torch.rand(2, 2, 3, 32, 32, generator=torch.manual_seed(0))
    found = candidates.detector_gradient(model, *images)
    assert (found.candidates > 0) == (fit == "solve")
    assert found.heatmaps > 0


@pytest.mark.parametrize("config", [tiny_config(), tiny_affine_config("pca")])
def test_the_two_ways_of_the_gradient_are_those_of_the_model(config: Config) -> None:
    model = tiny_model(config)
    source, driving = torch.rand(2, 2, 3, 32, 32, generator=torch.manual_seed(0))
    keypoints = model.keypoints(torch.cat([source, driving]))
    found = candidates._motion(model, source, driving, keypoints, keypoints)
    kp_source, kp_driving = keypoints.chunk(2)
    plain = model.motion(source, kp_source, kp_driving, model.background(source, driving))
    torch.testing.assert_close(found.deformation, plain.deformation)


def test_the_best_candidate_is_chosen_at_each_position() -> None:
    model = tiny_model()
    images = torch.rand(2, 2, 3, 32, 32, generator=torch.manual_seed(0))
    source, driving = images
    keypoints = model.keypoints(torch.cat([source, driving])).detach()
    kp_source, kp_driving = keypoints.chunk(2)
    motion = model.motion(source, kp_source, kp_driving)
    small, target = (model.dense_motion.downsample(side) for side in images)
    alone = [
        warp(small, flows)
        for flows in model._candidates(kp_source, kp_driving, None, (8, 8)).unbind(1)
    ]
    errors = torch.stack([(image - target).abs().mean(1) for image in alone])
    found = candidates.warp_errors(model, source, driving, motion)
    torch.testing.assert_close(found["best_candidate"], errors.min(0).values.mean((1, 2)))
    torch.testing.assert_close(
        found["warped"], (warp(small, motion.deformation) - target).abs().mean((1, 2, 3))
    )
    assert (found["best_candidate"] < found["still_small"]).all()  # rest is among the candidates


def test_perplexity_counts_parts() -> None:
    assert candidates.perplexity(torch.tensor([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert candidates.perplexity(torch.zeros(4)) is None


def test_shares_of_the_videos_have_the_mean_of_the_set() -> None:
    random = np.random.default_rng(0)
    joints = [random.normal(size=(6, 5, 2)) for _ in range(3)]
    keypoints = [random.normal(size=(6, 4, 2)) for _ in range(3)]
    names = [f"j{i}" for i in range(5)]
    clips = [
        videos.Video(str(i), {}, torch.ones(2), kp, {"plan": "a", "names": names, "joints": true})
        for i, (kp, true) in enumerate(zip(keypoints, joints, strict=True))
    ]
    videos.add_shares(clips)
    shares = [video.sums["unexplained"][0] for video in clips]
    assert np.mean(shares) == pytest.approx(unexplained_share(keypoints, joints).moving_share)


def test_joints_that_only_some_videos_have_do_not_count() -> None:
    random = np.random.default_rng(1)
    joints = random.normal(size=(6, 3, 2))
    keypoints = joints[:, :1]
    more = np.concatenate([random.normal(size=(6, 1, 2)), joints], axis=1)
    clips = [
        videos.Video(
            "a", {}, torch.ones(2), keypoints, {"plan": "a", "names": list("xyz"), "joints": joints}
        ),
        videos.Video(
            "b", {}, torch.ones(2), keypoints, {"plan": "a", "names": list("txyz"), "joints": more}
        ),
        videos.Video("c", {}, torch.ones(2), keypoints),
    ]
    videos.add_shares(clips)
    assert clips[0].sums["unexplained"] == pytest.approx(clips[1].sums["unexplained"])
    assert "unexplained" not in clips[2].sums


def test_equal_frames_are_extracted_once() -> None:
    calls: list[int] = []

    def extract(frames: Frames) -> scores.Values:
        calls.append(len(frames))
        means: scores.Values = frames.mean((1, 2))
        return means

    recall = scores.remembered(extract)
    black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
    for _ in range(2):
        assert recall(black).max() == 0
        assert recall(white[::-1]).min() == 255
    assert calls == [2, 2]


def test_a_long_video_is_read_at_even_distances(tmp_path: Path) -> None:
    from PIL import Image

    strip = np.repeat(np.arange(101, dtype=np.uint8), 8)[None, :, None].repeat(8, 0).repeat(3, 2)
    Image.fromarray(strip).save(tmp_path / "a.png")
    frames, truth = videos.read_video(tmp_path / "a.png", 5)
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 25, 50, 75, 100]
    assert truth == {}


def test_a_sum_that_json_lacks_is_left_out() -> None:
    video = videos.Video(
        "a", {"psnr": (float("inf"), 2), "l1": (0.5, 2)}, torch.ones(1), np.ones(0)
    )
    assert video.as_dict() == {"name": "a", "sums": {"l1": [0.5, 2]}}
