"""The extractor ``faces-dlib``: landmarks and identities by dlib, with packaged weights."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import CheckpointError
from cpabmm_core.files.digest import files_sha256
from cpabmm_core.metrics.extractors.dlib_weights import (
    WEIGHTS_PACKAGE,
    find_dlib_weights,
    weights_package_version,
)
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import check_options, require_package

_NAME = _EXTRA = "faces-dlib"
_LANDMARKS = 68
_DIMENSIONS = 128
_UPSAMPLINGS = 1
_CACHED_FRAMES = 256
"""Number of frames whose faces are kept for the next call, a few kilobytes each."""
_COST = (
    "122 MB of weights, included in the package; on one core of an Intel Xeon at 2.6 GHz, "
    "0.1 s for the landmarks of a 480 x 480 frame and 0.09 s more for its identity"
)
_TERMS = (
    "the landmark model was trained on iBUG 300-W, whose licence excludes commercial use: "
    "ask Imperial College London first"
)


class _Point(Protocol):
    """``dlib.point``."""

    x: int
    y: int


class _Box(Protocol):
    """``dlib.rectangle``; its right and lower edges are inclusive."""

    def left(self) -> int: ...
    def top(self) -> int: ...
    def right(self) -> int: ...
    def bottom(self) -> int: ...
    def area(self) -> int: ...


class _Shape(Protocol):
    """``dlib.full_object_detection``."""

    def parts(self) -> Iterable[_Point]: ...


class _Describer(Protocol):
    """``dlib.face_recognition_model_v1``."""

    def compute_face_descriptor(
        self,
        image: NDArray[np.uint8],  # (H, W, 3) RGB
        shape: _Shape,
    ) -> Iterable[float]: ...


_Detector = Callable[[NDArray[np.uint8], int], Iterable[_Box]]
_Predictor = Callable[[NDArray[np.uint8], _Box], _Shape]
_Network = TypeVar("_Network")


class _Faces(NamedTuple):
    """The faces of a frame."""

    boxes: list[_Box]
    """Boxes, largest first."""
    shape: _Shape | None
    """Landmarks of the largest box; None without a face."""


class DlibFaces:
    """Find faces, and the 68 landmarks and 128-dimensional identity of the largest one.

    The protocol is fixed: dlib's frontal HOG detector on the frame upsampled once, the largest box,
    the 68-point predictor, and the descriptor of these points without jitter. The faces of recent
    frames are cached, so landmarks and identities of a frame share one detection.

    Args:
        detector: function of image and number of upsamplings, like ``dlib.fhog_object_detector``.
        predictor: function of image and box, like ``dlib.shape_predictor`` with 68 points.
        describer: like ``dlib.face_recognition_model_v1``.
        info: description of the extractor.
    """

    def __init__(
        self,
        detector: _Detector,
        predictor: _Predictor,
        describer: _Describer,
        info: ExtractorInfo,
    ) -> None:
        self._detector = detector
        self._predictor = predictor
        self._describer = describer
        self._info = info
        self._cached: OrderedDict[tuple[tuple[int, ...], bytes], _Faces] = OrderedDict()

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
        for row, frame in zip(points, frames, strict=True):
            shape = self._find(np.ascontiguousarray(frame)).shape
            if shape is not None:
                row[:] = [(point.x, point.y) for point in shape.parts()]
        return points

    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, 128)
        """Return identities; a row of NaN for a frame without a face."""
        identities = np.full((len(frames), _DIMENSIONS), np.nan)
        for row, frame in zip(identities, frames, strict=True):
            image = np.ascontiguousarray(frame)
            shape = self._find(image).shape
            if shape is not None:
                row[:] = self._describer.compute_face_descriptor(image, shape)
        return identities

    def boxes(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> list[NDArray[np.float64]]:  # F of (N, 4)
        """Return boxes (left, top, right, bottom) of all faces, largest first.

        Convention: pixel edges, so the whole frame is (0, 0, W, H). Boxes may exceed the frame.
        """
        return [
            np.array(
                [
                    (box.left(), box.top(), box.right() + 1, box.bottom() + 1)
                    for box in self._find(np.ascontiguousarray(frame)).boxes
                ],
                np.float64,
            ).reshape(-1, 4)
            for frame in frames
        ]

    def _find(
        self,
        image: NDArray[np.uint8],  # (H, W, 3) RGB, contiguous
    ) -> _Faces:
        key = (image.shape, hashlib.sha256(image.data).digest())
        found = self._cached.get(key)
        if found is None:
            boxes = sorted(self._detector(image, _UPSAMPLINGS), key=lambda box: -box.area())
            shape = self._predictor(image, boxes[0]) if boxes else None
            found = self._cached[key] = _Faces(boxes, shape)
            if len(self._cached) > _CACHED_FRAMES:
                self._cached.popitem(last=False)
        return found


def open_extractor(request: Request) -> DlibFaces:
    """Open dlib's networks.

    The option ``weights`` names a folder with both files. Without it, the files come from the
    package face-recognition-models.

    Raises:
        ConfigError: an option is unknown, or a package is missing.
        CheckpointError: the folder lacks a file, or a file is damaged.
    """
    check_options(_NAME, request, ["weights"])
    dlib = require_package("dlib", _NAME, _EXTRA)
    versions = [f"dlib {dlib.__version__}"]
    folder = request.options.get("weights")
    if folder is None:
        versions.append(f"{WEIGHTS_PACKAGE} {weights_package_version()}")
    files = find_dlib_weights(None if folder is None else Path(folder))
    landmarks, identity = files
    info = ExtractorInfo(
        name=_NAME,
        version=f"protocol 1, {', '.join(versions)}",
        weights=files_sha256(files),
        cost=_COST,
        terms=_TERMS,
    )
    return DlibFaces(
        dlib.get_frontal_face_detector(),
        _load(dlib.shape_predictor, landmarks),
        _load(dlib.face_recognition_model_v1, identity),
        info,
    )


def _load(network: Callable[[str], _Network], file: Path) -> _Network:
    try:
        return network(str(file))
    except RuntimeError:
        raise CheckpointError(
            f"{file}: is damaged or not a dlib model; replace it with the file of {WEIGHTS_PACKAGE}"
        ) from None
