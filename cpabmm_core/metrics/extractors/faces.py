"""The extractor ``faces``: landmarks by face-alignment (Bulat & Tzimiropoulos, 2017)."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cpabmm_core.device import resolve_device
from cpabmm_core.files.digest import files_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import check_options, require_package
from cpabmm_core.metrics.extractors.weights import find_option_weights
from cpabmm_core.models.frozen.weights import WeightFile, fill, read_weights

_NAME = _EXTRA = "faces"
_LANDMARKS = 68
_HOURGLASSES = 4
_MIN_SIDE = 32
"""The smallest side in pixels: the detector halves a frame five times."""
_COST = "186 MB of weights; on one core of an Intel Xeon at 2.6 GHz, 3 s for a 480 x 480 frame"
_TERMS = (
    "the landmark network was trained on 300W-LP, derived from iBUG 300-W, whose licence excludes "
    "commercial use"
)
_WITHOUT = "the extractor to faces-dlib, whose weights pip installs"

LANDMARK_FILE = WeightFile(
    what="face-alignment's 2D-FAN",
    name="2DFAN4-11f355bf06.pth.tar",
    source="https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar",
    megabytes=96,
    key="faces?weights=FILE",
    sha256="11f355bf06",
)
DETECTOR_FILE = WeightFile(
    what="face-alignment's face detector S3FD",
    name="s3fd-619a316812.pth",
    source="https://www.adrianbulat.com/downloads/python-fan/s3fd-619a316812.pth",
    megabytes=90,
    key="faces?detector=FILE",
    sha256="619a316812",
)


class _Detector(Protocol):
    """``face_alignment.detection.core.FaceDetector``."""

    def detect_from_image(
        self,
        image: NDArray[np.uint8],  # (H, W, 3) RGB
    ) -> Sequence[NDArray[np.floating]]:  # N of (5,): left, top, right, bottom, confidence
        ...


class _Aligner(Protocol):
    """``face_alignment.FaceAlignment``."""

    @property
    def face_detector(self) -> _Detector: ...

    def get_landmarks_from_image(
        self,
        image: NDArray[np.uint8],  # (H, W, 3) RGB
        detected_faces: Sequence[NDArray[np.floating]],
    ) -> Sequence[NDArray[np.floating]]:  # of each face, (68, 2)
        ...


class AlignedFaces:
    """Find faces, and the 68 landmarks of the most confident detection.

    This is the field's protocol: the first face of face-alignment's S3FD, and its 2D-FAN of four
    hourglasses without a second pass over the mirrored face. Frames pass through the networks one
    by one, because the boxes of the detector depend on the other frames of a batch.

    Args:
        aligner: like ``face_alignment.FaceAlignment``.
        info: description of the extractor.
    """

    def __init__(self, aligner: _Aligner, info: ExtractorInfo) -> None:
        self._aligner = aligner
        self._info = info

    @property
    def info(self) -> ExtractorInfo:
        """The description of the extractor."""
        return self._info

    def keypoints(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, 68, 2)
        """Return landmarks (x, y) in pixels; all NaN for a frame without a face.

        Convention: pixel centres lie at integers, x points right, y points down.
        """
        points = np.full((len(frames), _LANDMARKS, 2), np.nan)
        with _keep_cudnn_setting():
            for row, frame in zip(points, frames, strict=True):
                faces = self._detect(frame)
                if faces:
                    [landmarks] = self._aligner.get_landmarks_from_image(frame, faces[:1])
                    row[:] = landmarks
        return points

    def boxes(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> list[NDArray[np.float64]]:  # F of (N, 4)
        """Return boxes (left, top, right, bottom) of all faces, largest first.

        Convention: pixel edges, so the whole frame is (0, 0, W, H). Boxes may exceed the frame.
        """
        with _keep_cudnn_setting():
            found = [
                np.array([face[:4] for face in self._detect(frame)], np.float64).reshape(-1, 4)
                for frame in frames
            ]
        areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in found]
        return [
            boxes[np.argsort(-area, kind="stable")]
            for boxes, area in zip(found, areas, strict=True)
        ]

    def _detect(
        self,
        frame: NDArray[np.uint8],  # (H, W, 3) RGB
    ) -> list[NDArray[np.floating]]:  # of (5,), most confident first
        if min(frame.shape[:2]) < _MIN_SIDE:
            return []
        return list(self._aligner.face_detector.detect_from_image(frame))


def open_extractor(request: Request) -> AlignedFaces:
    """Open face-alignment's networks.

    The options ``weights`` and ``detector`` name files of 2D-FAN and of S3FD. Otherwise the files
    come from the cache of face-alignment itself, or are downloaded into it. No code in a file is
    executed.

    Raises:
        ConfigError: an option is unknown, the package is missing, or weights are missing and not
            downloaded.
        CheckpointError: a file is damaged or holds another network.
        ResourceError: the device is unavailable, or the disk is full.
    """
    check_options(_NAME, request, ["weights", "detector"])
    package = require_package("face_alignment", _NAME, _EXTRA)
    device = resolve_device(request.device)
    files = [
        find_option_weights(request, LANDMARK_FILE, without=_WITHOUT),
        find_option_weights(request, DETECTOR_FILE, "detector", without=_WITHOUT),
    ]
    info = ExtractorInfo(
        name=_NAME,
        version=f"protocol 1, face-alignment {version('face-alignment')}",
        weights=files_sha256(files),
        cost=_COST,
        terms=_TERMS,
    )
    # Building the networks samples initial weights, which are then overwritten.
    with _keep_cudnn_setting(), torch.random.fork_rng(devices=[]):
        return AlignedFaces(_open_aligner(package, files[0], files[1], device), info)


def _open_aligner(
    package: ModuleType, landmarks: Path, detector: Path, device: torch.device
) -> _Aligner:
    """Build the library's class with these weights, which it would otherwise download."""
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    network = _load_weights(FAN(_HOURGLASSES), landmarks, LANDMARK_FILE.what).to(device).eval()

    class Aligner(package.FaceAlignment):  # type: ignore[misc, name-defined]
        def _load_native(self, *_: object) -> nn.Module:
            return network

    checked = io.BytesIO()
    torch.save(_load_weights(s3fd(), detector, DETECTOR_FILE.what).state_dict(), checked)
    checked.seek(0)
    aligner: _Aligner = Aligner(
        package.LandmarksType.TWO_D,
        device=str(device),
        flip_input=False,
        face_detector="sfd",
        face_detector_kwargs={"path_to_detector": checked},
        compile=False,
    )
    return aligner


def _load_weights(network: nn.Module, path: Path, what: str) -> nn.Module:
    counters: dict[str, Tensor] = {
        name: value  # absent in files older than PyTorch 0.4.1
        for name, value in network.state_dict().items()
        if name.endswith("num_batches_tracked")
    }
    tensors: dict[str, Any] = {**counters, **read_weights(path, what)}
    fill(network, tensors, path, what)
    return network


@contextmanager
def _keep_cudnn_setting() -> Iterator[None]:
    """Restore cuDNN's benchmark mode, which the library switches on globally."""
    before = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
