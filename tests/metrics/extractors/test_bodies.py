import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from cpabmm_core.errors import CheckpointError, ConfigError, ResourceError
from cpabmm_core.metrics.extractors import (
    ExtractorInfo,
    Request,
    open_embedding_extractor,
    open_keypoint_extractor,
    open_subject_detector,
)
from cpabmm_core.metrics.extractors.bodies import Bodies

JOINTS = 17
CPU = torch.device("cpu")


class FakeNetwork(nn.Module):
    """A network that returns prepared detections and records its images."""

    def __init__(self, *found: dict[str, Tensor]) -> None:
        super().__init__()
        self.found = list(found)
        self.images: list[Tensor] = []

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        self.images += images
        return [self.found.pop(0)]


def people(*boxes: list[float], seed: int = 0) -> dict[str, Tensor]:
    """Detections of people in these boxes, with random joints, in the order of scores."""
    generator = torch.Generator().manual_seed(seed)
    count = len(boxes)
    points = torch.rand(count, JOINTS, 2, generator=generator) * 50
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "scores": torch.linspace(0.9, 0.6, count),
        "labels": torch.ones(count, dtype=torch.int64),
        "keypoints": torch.cat((points, torch.ones(count, JOINTS, 1)), dim=2),
        "keypoints_scores": torch.rand(count, JOINTS, generator=generator) * 8 - 2,
    }


def bodies(network: nn.Module, joint_score: float = 2.0) -> Bodies:
    info = ExtractorInfo(name="bodies", version="", weights="", cost="")
    return Bodies(network, info, CPU, joint_score)


def frames(count: int = 1) -> np.ndarray:
    rng = np.random.default_rng(count)
    return rng.integers(0, 256, (count, 20, 30, 3), dtype=np.uint8)


def test_the_largest_person_is_the_subject_and_weak_joints_are_missing() -> None:
    small, large, middle = [5.0, 5, 15, 15], [0.0, 2, 20, 22], [0.0, 0, 30, 12]
    found = people(small, large, middle)
    [joints] = bodies(FakeNetwork(found)).keypoints(frames())
    missing = 0
    for joint in range(JOINTS):
        x, y, _ = found["keypoints"][1, joint].tolist()
        if found["keypoints_scores"][1, joint].item() >= 2:
            assert joints[joint].tolist() == [x - 0.5, y - 0.5]
        else:
            assert np.isnan(joints[joint]).all()
            missing += 1
    assert 0 < missing < JOINTS


def test_boxes_come_largest_first() -> None:
    small, large, middle = [5.0, 5, 15, 15], [0.0, 2, 20, 22], [0.0, 0, 30, 12]
    network = FakeNetwork(people(small, large, middle), people())
    first, second = bodies(network).boxes(frames(2))
    assert first.tolist() == [large, middle, small]
    assert second.shape == (0, 4)


def test_a_frame_without_people_has_no_joints() -> None:
    network = FakeNetwork(people(), people([0.0, 0, 9, 9]))
    joints = bodies(network, joint_score=0).keypoints(frames(2))
    assert joints.shape == (2, JOINTS, 2)
    assert np.isnan(joints[0]).all()
    assert np.isfinite(joints[1]).any()
    assert bodies(FakeNetwork()).keypoints(frames(0)).shape == (0, JOINTS, 2)


def test_the_network_receives_rgb_in_zero_to_one() -> None:
    network = FakeNetwork(people())
    frame = frames()
    bodies(network).boxes(frame)
    [image] = network.images
    assert image.shape == (3, 20, 30)
    np.testing.assert_allclose(image.numpy(), frame[0].transpose(2, 0, 1) / 255.0, rtol=1e-6)


@pytest.mark.parametrize("pixel", [(10, 20), (15, 27), (65, 75)])
def test_a_heatmap_peak_on_a_pixel_gives_that_pixel(pixel: tuple[int, int]) -> None:
    """The heatmap of a box of 56 x 56 pixels has 56 x 56 cells, one per pixel."""
    left, top, side = 10, 20, 56
    heatmap = torch.zeros(1, JOINTS, side, side)
    heatmap[..., pixel[1] - top, pixel[0] - left] = 9
    box = torch.tensor([[left, top, left + side, top + side]]).float()
    points, scores = heatmaps_to_keypoints(heatmap, box)
    found = {"boxes": box, "keypoints": points, "keypoints_scores": scores}
    [joints] = bodies(FakeNetwork(found)).keypoints(frames())
    assert joints.tolist() == [list(pixel)] * JOINTS


def test_the_real_network_implements_both_kinds_and_ignores_batching(rcnn_file: Path) -> None:
    name = f"bodies?weights={rcnn_file}&score=0.05&joints=0"
    extractor: Any = open_keypoint_extractor(name, Request(device="cpu"))
    assert type(extractor) is Bodies
    assert isinstance(open_subject_detector(name, Request(device="cpu")), Bodies)
    assert extractor.info.weights == hashlib.sha256(rcnn_file.read_bytes()).hexdigest()
    assert extractor.info.options == {"score": "0.05", "joints": "0.0"}
    assert "237 MB" in extractor.info.cost
    network: Any = extractor._network  # faster with small images and few proposals
    network.transform.min_size = (64,)
    network.rpn._post_nms_top_n["testing"] = 8
    both = frames(2)
    batched = extractor.keypoints(both)
    assert batched.shape == (2, JOINTS, 2)
    assert np.isfinite(batched).any()
    assert not np.array_equal(batched[0], batched[1])
    alone = np.concatenate([extractor.keypoints(both[:1]), extractor.keypoints(both[1:])])
    np.testing.assert_array_equal(batched, alone)
    for found in extractor.boxes(both):
        assert len(found) > 0
        areas = (found[:, 2] - found[:, 0]) * (found[:, 3] - found[:, 1])
        assert (np.diff(areas) <= 0).all()


def test_weights_are_found_in_torchs_cache(
    rcnn_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/keypointrcnn_resnet50_fpn_coco-fc266e95.pth").symlink_to(rcnn_file)
    extractor = open_subject_detector("bodies", Request(device="cpu", allow_download=False))
    assert extractor.info.options == {"score": "0.5", "joints": "2.0"}


def test_missing_weights_are_an_error_with_a_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        open_keypoint_extractor("bodies", Request(device="cpu", allow_download=False))
    message = str(caught.value)
    assert "\n" not in message
    for part in ("237 MB", "COCO", "https://download.pytorch.org/models/keypointrcnn"):
        assert part in message
    assert message.endswith("downloads are off; give its path as bodies?weights=PATH")


@pytest.mark.parametrize(
    ("query", "trouble"),
    [
        ("threshold=1", "bodies: unknown option threshold; it takes weights, score, joints"),
        ("score=1.5", r"bodies: score=1\.5: expected a number from 0 to 1"),
        ("score=high", "bodies: score=high: expected a number from 0 to 1"),
        ("joints=-1", "bodies: joints=-1: expected a number of 0 or more"),
        ("joints=inf", "bodies: joints=inf: expected a number of 0 or more"),
    ],
)
def test_wrong_options_are_errors(query: str, trouble: str) -> None:
    with pytest.raises(ConfigError, match=trouble):
        open_keypoint_extractor(f"bodies?{query}", Request(device="cpu"))


def test_missing_files_and_devices_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.pth: no such file"):
        open_keypoint_extractor(f"bodies?weights={tmp_path}/none.pth", Request(device="cpu"))
    with pytest.raises(ResourceError, match="no such device"):
        open_keypoint_extractor("bodies", Request(device="cuda:99"))


def test_bodies_have_no_identity(rcnn_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"bodies.*is not an extractor of identities"):
        open_embedding_extractor(f"bodies?weights={rcnn_file}", Request(device="cpu"))
