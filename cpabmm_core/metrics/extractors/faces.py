"""Landmarks of faces by face-alignment (Bulat & Tzimiropoulos, 2017), as in the field's AKD."""

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
from cpabmm_core.models.frozen.weights import WeightFile, fill, find_weights, read_weights

_NAME = _EXTRA = "faces"
_LANDMARKS = 68
_HOURGLASSES = 4
_SMALLEST_SIDE = 32
"""In pixels; the detector halves a frame five times."""
_COST = "186 MB of weights; on one core of an Intel Xeon at 2.6 GHz, 3 s for a 480 x 480 frame"
_TERMS = (
    "the landmark network was trained on 300W-LP, made from iBUG 300-W, whose licence excludes "
    "commercial use"
)
_WITHOUT = "the extractor to faces-dlib, whose weights come as a package"

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
    """Finds faces, and the 68 landmarks of the one that the detector is most confident of.

    That is the field's protocol: the first face of face-alignment's S3FD, and its 2D-FAN of four
    hourglasses without a second pass over the mirrored face. Frames go through the networks one by
    one: in a batch, the detector's boxes of a frame would depend on its neighbours.

    Args:
        aligner: like ``face_alignment.FaceAlignment``.
        info: what it is.
    """

    def __init__(self, aligner: _Aligner, info: ExtractorInfo) -> None:
        self._aligner = aligner
        self._info = info

    @property
    def info(self) -> ExtractorInfo:
        """What it is."""
        return self._info

    def keypoints(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, 68, 2)
        """Landmarks (x, y) in pixels; all are NaN where there is no face.

        Convention: pixel centres lie at integers, x to the right, y downwards.
        """
        points = np.full((len(frames), _LANDMARKS, 2), np.nan)
        with _cudnn_as_it_was():
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
        """Boxes (left, top, right, bottom) of all faces, the largest first.

        Convention: edges of pixels, so the whole frame is (0, 0, W, H); boxes may leave the frame.
        """
        with _cudnn_as_it_was():
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
    ) -> list[NDArray[np.floating]]:  # of (5,), the most confident first
        if min(frame.shape[:2]) < _SMALLEST_SIDE:
            return []
        return list(self._aligner.face_detector.detect_from_image(frame))


def open_extractor(request: Request) -> AlignedFaces:
    """Open face-alignment's networks.

    Options: ``weights`` and ``detector``, files of 2D-FAN and of S3FD; else they are taken from
    where face-alignment itself keeps them, or downloaded to there. Nothing in a file is executed.

    Raises:
        ConfigError: an option is unknown, the package is missing, or weights are not at hand.
        CheckpointError: a file is damaged or of another network.
        ResourceError: there is no such device, or the disk is full.
    """
    check_options(_NAME, request, ["weights", "detector"])
    package = require_package("face_alignment", _NAME, _EXTRA)
    device = resolve_device(request.device)
    files = [
        _find(LANDMARK_FILE, "weights", request),
        _find(DETECTOR_FILE, "detector", request),
    ]
    info = ExtractorInfo(
        name=_NAME,
        version=f"protocol 1, face-alignment {version('face-alignment')}",
        weights=files_sha256(files),
        cost=_COST,
        terms=_TERMS,
    )
    # The weights that the networks draw at first are overwritten.
    with _cudnn_as_it_was(), torch.random.fork_rng(devices=[]):
        return AlignedFaces(_open_aligner(package, files[0], files[1], device), info)


def _find(file: WeightFile, option: str, request: Request) -> Path:
    given = request.options.get(option)
    return find_weights(
        file,
        None if given is None else Path(given),
        allow_download=request.allow_download,
        announce=request.announce,
        without=_WITHOUT,
    )


def _open_aligner(
    package: ModuleType, landmarks: Path, detector: Path, device: torch.device
) -> _Aligner:
    """The library's own class, but with these weights: left alone, it would download them."""
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    network = _filled(FAN(_HOURGLASSES), landmarks, LANDMARK_FILE.what).to(device).eval()

    class Aligner(package.FaceAlignment):  # type: ignore[misc, name-defined]
        def _load_native(self, *_: object) -> nn.Module:
            return network

    checked = io.BytesIO()
    torch.save(_filled(s3fd(), detector, DETECTOR_FILE.what).state_dict(), checked)
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


def _filled(network: nn.Module, path: Path, what: str) -> nn.Module:
    counters: dict[str, Tensor] = {
        name: value  # files made before PyTorch 0.4.1 have none
        for name, value in network.state_dict().items()
        if name.endswith("num_batches_tracked")
    }
    tensors: dict[str, Any] = {**counters, **read_weights(path, what)}
    fill(network, tensors, path, what)
    return network


@contextmanager
def _cudnn_as_it_was() -> Iterator[None]:
    """The library turns cuDNN's search for fast algorithms on, for everyone."""
    before = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
