"""The extractor ``bodies``: people and their 17 COCO joints, by torchvision's Keypoint R-CNN.

Protocol: the subject is the person with the largest box among those whose score is at least
`score`. A joint whose score is below `joints` is missing. The score of a joint is the peak of its
heatmap, a logit; Detectron, the origin of the network, hides joints below 2.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import nn

from cpabmm_core.device import resolve_device
from cpabmm_core.errors import ConfigError
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import check_options
from cpabmm_core.metrics.extractors.weights import find_option_weights
from cpabmm_core.models.frozen.keypoint_rcnn import (
    COCO_JOINTS,
    KEYPOINT_RCNN_FILE,
    load_keypoint_rcnn,
)

_NAME = "bodies"
_PROTOCOL = 1
_SCORE = 0.5
_JOINT_SCORE = 2.0
_COST = (
    f"{KEYPOINT_RCNN_FILE.megabytes} MB; about 4 s a frame on one core of a busy Xeon with AVX-512"
)


class _People(NamedTuple):
    """The people of one frame, largest first."""

    boxes: NDArray[np.float64]  # (N, 4)
    joints: NDArray[np.float64]  # (N, 17, 2)
    scores: NDArray[np.float64]  # (N, 17)


class Bodies:
    """Find people and their joints in frames of any size, each frame on its own.

    Args:
        network: a Keypoint R-CNN in eval mode that reports only people above the score threshold.
        info: description of the extractor.
        device: the device on which the network runs.
        joint_score: score below which a joint is missing.
    """

    def __init__(
        self, network: nn.Module, info: ExtractorInfo, device: torch.device, joint_score: float
    ) -> None:
        self.info = info
        self._network = network.to(device)
        self._device = device
        self._joint_score = joint_score

    def keypoints(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, 17, 2)
        """Return the joints of the largest person in pixels, in COCO's order; NaN if missing.

        Convention: pixel centres lie at integers. torchvision places the first pixel's centre at
        (0.5, 0.5): a joint in column c of the heatmap of a box is at left + (c + 0.5) * column
        width. Half a pixel is therefore subtracted. (torchvision trained on COCO's integer
        coordinates without an offset, so a constant fraction of a pixel remains uncertain; it
        cancels out in AKD.)
        """
        joints = np.full((len(frames), COCO_JOINTS, 2), np.nan)
        for row, frame in zip(joints, frames, strict=True):
            people = self._people(frame)
            if len(people.boxes):
                found = people.scores[0] >= self._joint_score
                row[found] = people.joints[0, found] - 0.5
        return joints

    def boxes(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> list[NDArray[np.float64]]:  # F of (N, 4)
        """Return boxes (left, top, right, bottom) of all people at pixel edges, largest first."""
        return [self._people(frame).boxes for frame in frames]

    @torch.inference_mode()
    def _people(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3)
    ) -> _People:
        image = torch.tensor(frame, device=self._device).permute(2, 0, 1) / 255
        [found] = self._network([image])
        boxes = _to_array(found, "boxes")
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        order = np.argsort(-areas, kind="stable")
        return _People(
            boxes[order],
            _to_array(found, "keypoints")[order, :, :2],
            _to_array(found, "keypoints_scores")[order],
        )


def open_extractor(request: Request) -> Bodies:
    """Open the extractor with the options ``weights``, ``score`` and ``joints``.

    Raises:
        ConfigError: an option is invalid, or the weights are missing and not downloaded.
        CheckpointError: the weights cannot be read.
        ResourceError: the device is unavailable.
    """
    check_options(_NAME, request, ("weights", "score", "joints"))
    score = _parse_number(request, "score", _SCORE, 1)
    joint_score = _parse_number(request, "joints", _JOINT_SCORE, float("inf"))
    device = resolve_device(request.device)
    path = find_option_weights(request, KEYPOINT_RCNN_FILE)
    info = ExtractorInfo(
        name=_NAME,
        version=f"{_PROTOCOL}, torchvision {torchvision.__version__}",
        weights=file_sha256(path),
        cost=_COST,
        options={"score": str(score), "joints": str(joint_score)},
        terms="trained on COCO, whose images have their own licences; torchvision states none",
    )
    return Bodies(load_keypoint_rcnn(path, score), info, device, joint_score)


def _to_array(found: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = found[key].double().cpu().numpy()
    return numbers


def _parse_number(request: Request, key: str, default: float, most: float) -> float:
    text = request.options.get(key, str(default))
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and 0 <= value <= most):
        bound = f"from 0 to {most:g}" if isfinite(most) else "of 0 or more"
        raise ConfigError(f"{_NAME}: {key}={text}: expected a number {bound}")
    return value
