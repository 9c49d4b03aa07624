import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.models.detection import (
    KeypointRCNN,
    KeypointRCNN_ResNet50_FPN_Weights,
    keypointrcnn_resnet50_fpn,
)

from cpabmm_core.errors import CheckpointError
from cpabmm_core.models.frozen.keypoint_rcnn import KEYPOINT_RCNN_FILE, load_keypoint_rcnn


def found_by(network: KeypointRCNN) -> dict[str, Tensor]:
    """Return its detections in an image of noise; small images and few proposals make it fast."""
    network.transform.min_size = (64,)
    network.rpn._post_nms_top_n["testing"] = 12
    image = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        [detections] = network.eval()([image])
    result: dict[str, Tensor] = detections
    return result


def test_detections_agree_with_torchvisions_loader(
    rcnn_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision's own loader, given the same file, gives identical detections."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cached = tmp_path / "checkpoints" / KEYPOINT_RCNN_FILE.name
    cached.parent.mkdir()
    cached.symlink_to(rcnn_file)
    theirs = found_by(
        keypointrcnn_resnet50_fpn(weights=KeypointRCNN_ResNet50_FPN_Weights.COCO_V1, progress=False)
    )
    rng_state = torch.random.get_rng_state()
    ours = found_by(load_keypoint_rcnn(rcnn_file, 0.05))  # torchvision's default
    assert torch.equal(torch.random.get_rng_state(), rng_state)
    assert len(ours["boxes"]) > 0
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key


def test_people_with_a_low_score_are_not_reported(rcnn_file: Path) -> None:
    every = found_by(load_keypoint_rcnn(rcnn_file, 0.0))
    threshold = every["scores"].median().item()
    some = found_by(load_keypoint_rcnn(rcnn_file, threshold))
    high = every["scores"] > threshold
    assert 0 < high.sum() < len(high)
    assert torch.equal(some["boxes"], every["boxes"][high])


def test_the_file_is_the_one_that_torchvision_publishes() -> None:
    published = KeypointRCNN_ResNet50_FPN_Weights.COCO_V1
    assert published == KeypointRCNN_ResNet50_FPN_Weights.DEFAULT
    assert published.url.endswith(f"/{KEYPOINT_RCNN_FILE.name}")
    assert KEYPOINT_RCNN_FILE.name.endswith(f"-{KEYPOINT_RCNN_FILE.sha256}.pth")
    assert round(published.meta["_file_size"] * 2**20 / 1e6) == KEYPOINT_RCNN_FILE.megabytes


def test_a_file_of_another_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.ones(2)}, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            CheckpointError, match=r"other\.pth: not torchvision's Keypoint R-CNN weights \(no "
        ):
            load_keypoint_rcnn(path, 0.5)
