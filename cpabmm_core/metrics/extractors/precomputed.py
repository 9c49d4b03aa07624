"""Precomputed keypoints and identities of both sets of videos: ``FILE.npz`` and ``FILE.csv``.

An NPZ archive contains one array per video, ``real/NAME`` or ``generated/NAME``. A CSV file has the
columns ``set,video,frame``, followed by ``joint,x,y`` with a line per joint of each frame, or by
``e0,e1,...`` with a line per frame. Frames and joints count from 0. A keypoint is missing if it is
NaN, an empty cell, or -1 in both coordinates, as in the field's files of body keypoints. A line of
NaN or of empty cells marks a frame without a subject.
"""

import difflib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.files.archives import expanded_size
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo
from cpabmm_core.metrics.extractors.precomputed_csv import read_csv

Kind = Literal["keypoints", "identity"]
SetName = Literal["real", "generated"]

SUFFIXES = (".npz", ".csv")
_MISSING = -1
_Arrays = Mapping[str, NDArray[Any]]


class Precomputed:
    """The values of a file.

    Args:
        path: the file, for error messages.
        kind: kind of the values.
        arrays: array of each video, by ``real/NAME`` and ``generated/NAME``.
        info: description of the file.
    """

    def __init__(self, path: Path, kind: Kind, arrays: _Arrays, info: ExtractorInfo) -> None:
        self.info = info
        self._path = path
        self._kind = kind
        self._arrays = arrays
        self._frame_shape: tuple[int, ...] | None = None

    def values(self, set_name: SetName, video: str, frames: int) -> NDArray[np.float64]:
        """Return the values of a video.

        Args:
            set_name: the set that contains the video.
            video: name of the video, without suffix.
            frames: number of frames of the video.

        Returns:
            (F, J, 2) keypoints in pixels or (F, D) identities; NaN marks missing ones.

        Raises:
            DataError: the file lacks the video, or its number of frames, shape or dtype is wrong.
        """
        key = f"{set_name}/{video}"
        where = f"{self._path}: {key}"
        if key not in self._arrays:
            raise DataError(f"{self._path}: lacks {key}; {self._suggest(set_name, video)}")
        values = _to_float64(where, self._array(key))
        self._check_shape(where, values, frames)
        if np.isinf(values).any():
            raise DataError(f"{where}: contains infinity; write NaN for missing values")
        missing = np.isnan(values)
        if self._kind == "keypoints":
            values[(values == _MISSING).all(axis=-1) | missing.any(axis=-1)] = np.nan
        elif (missing.any(axis=1) != missing.all(axis=1)).any():
            raise DataError(f"{where}: a frame mixes numbers and NaN; use only one of them")
        return values

    def _array(self, key: str) -> NDArray[Any]:
        try:
            values = self._arrays[key]
        except DataError:
            raise
        except Exception as error:  # numpy and zipfile raise many classes for a damaged archive
            raise DataError(
                f"{self._path}: {key} cannot be read ({one_line(error)}); save plain numbers"
            ) from None
        if not isinstance(values, np.ndarray):  # NumPy returns the bytes of any other member
            raise DataError(f"{self._path}: {key} is no array; save plain numbers")
        return values

    def _check_shape(self, where: str, values: NDArray[np.float64], frames: int) -> None:
        frame_shape = values.shape[1:]
        expected = "(F, J, 2)" if self._kind == "keypoints" else "(F, D)"
        fits = len(frame_shape) == 2 and frame_shape[1] == 2
        if self._kind == "identity":
            fits = len(frame_shape) == 1
        if not fits or 0 in frame_shape:
            raise DataError(f"{where}: has shape {values.shape}; save it as {expected}")
        if len(values) != frames:
            raise DataError(
                f"{where}: has {len(values)} frames, the video {frames}; save one row per frame"
            )
        self._frame_shape = self._frame_shape or frame_shape
        if frame_shape != self._frame_shape:
            unit = "keypoints" if self._kind == "keypoints" else "numbers"
            raise DataError(
                f"{where}: has {frame_shape[0]} {unit} per frame, another video "
                f"{self._frame_shape[0]}; save equal numbers"
            )

    def _suggest(self, set_name: SetName, video: str) -> str:
        start = f"{set_name}/"
        names = [key.removeprefix(start) for key in self._arrays if key.startswith(start)]
        near = difflib.get_close_matches(video, names, 1)
        return f"did you mean {near[0]}?" if near else "the file must contain all videos"


def read_precomputed(path: Path, kind: Kind) -> Precomputed:
    """Open a file of values; arrays of an NPZ archive are read on demand.

    Raises:
        DataError: the file is missing, damaged or in another format.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: is neither .npz nor .csv; convert the {kind} to one of these")
    try:
        digest = file_sha256(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give the {kind} of both sets") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be opened ({one_line(error)}); check the path") from None
    info = ExtractorInfo(
        name=path.name, version="precomputed", weights=digest, cost="none: read from a file"
    )
    arrays: _Arrays = _open_archive(path) if suffix == ".npz" else read_csv(path, kind)
    return Precomputed(path, kind, arrays, info)


def _open_archive(path: Path) -> _Arrays:
    try:
        if zipfile.is_zipfile(path) and (size := expanded_size(str(path))) is not None:
            raise ValueError(f"{path.stat().st_size} bytes would expand to {size}")
        arrays = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy and zipfile raise many classes for a damaged archive
        raise DataError(
            f"{path}: not a readable .npz archive ({one_line(error)}); save it again"
        ) from None
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: is a single array, not an .npz archive; use numpy.savez")
    return arrays


def _to_float64(where: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "iuf":
        raise DataError(f"{where}: has dtype {array.dtype}, expected numbers; save floats")
    return array.astype(np.float64)
