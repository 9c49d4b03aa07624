"""Keypoints and identities from a file, of both sets of videos: ``FILE.npz`` and ``FILE.csv``.

An NPZ archive holds an array for each video, ``real/NAME`` and ``generated/NAME``. A CSV file has
the columns ``set,video,frame`` and then ``joint,x,y`` with a line for each joint of each frame, or
``e0,e1,...`` with a line for each frame. Frames and joints count from 0. NaN, an empty cell, or -1
in both coordinates, as in the field's files of bodies, mean that a keypoint is missing; a line of
NaN or of empty cells means that a frame has no subject.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.digest import file_sha256
from cpabmm_core.metrics.extractors.interface import ExtractorInfo
from cpabmm_core.metrics.extractors.precomputed_csv import read_csv

Kind = Literal["keypoints", "identity"]
Side = Literal["real", "generated"]

SUFFIXES = (".npz", ".csv")
_MISSING = -1
_Arrays = Mapping[str, NDArray[Any]]


class Precomputed:
    """The values of a file.

    Args:
        path: the file, for errors.
        kind: what its values are.
        arrays: one for each video, by ``real/NAME`` and ``generated/NAME``.
        info: what the file is.
    """

    def __init__(self, path: Path, kind: Kind, arrays: _Arrays, info: ExtractorInfo) -> None:
        self.info = info
        self._path = path
        self._kind = kind
        self._arrays = arrays
        self._shape_of_frame: tuple[int, ...] | None = None

    def values(self, side: Side, name: str, frames: int) -> NDArray[np.float64]:
        """The values of a video.

        Args:
            side: which of the two sets it is in.
            name: the video's, without suffix.
            frames: how many it has.

        Returns:
            (F, J, 2) keypoints in pixels or (F, D) identities; NaN where there is none.

        Raises:
            DataError: the file lacks the video, or has other frames, other shapes or no numbers.
        """
        key = f"{side}/{name}"
        where = f"{self._path}: {key}"
        if key not in self._arrays:
            raise DataError(f"{self._path}: has no {key}; {self._hint(side, name)}")
        values = _numbers(where, self._array(key))
        self._check_shape(where, values, frames)
        if np.isinf(values).any():
            raise DataError(f"{where}: holds infinity; write NaN where nothing was found")
        missing = np.isnan(values)
        if self._kind == "keypoints":
            values[(values == _MISSING).all(axis=-1) | missing.any(axis=-1)] = np.nan
        elif (missing.any(axis=1) != missing.all(axis=1)).any():
            raise DataError(f"{where}: a frame is numbers in part and NaN in part; make it one")
        return values

    def _array(self, key: str) -> NDArray[Any]:
        try:
            return self._arrays[key]
        except DataError:
            raise
        except Exception as error:  # numpy and zipfile raise a dozen classes for a damaged archive
            raise DataError(
                f"{self._path}: {key} cannot be read ({one_line(error)}); save plain numbers"
            ) from None

    def _check_shape(self, where: str, values: NDArray[np.float64], frames: int) -> None:
        of_frame = values.shape[1:]
        wanted = "(F, J, 2)" if self._kind == "keypoints" else "(F, D)"
        fits = len(of_frame) == 2 and of_frame[1] == 2
        if self._kind == "identity":
            fits = len(of_frame) == 1
        if not fits or 0 in of_frame:
            raise DataError(f"{where}: is of shape {values.shape}, not {wanted}; save it so")
        if len(values) != frames:
            raise DataError(
                f"{where}: has {len(values)} frames, the video {frames}; make them agree"
            )
        self._shape_of_frame = self._shape_of_frame or of_frame
        if of_frame != self._shape_of_frame:
            what = "keypoints" if self._kind == "keypoints" else "numbers"
            raise DataError(
                f"{where}: has {of_frame[0]} {what} a frame, another video "
                f"{self._shape_of_frame[0]}; make them agree"
            )

    def _hint(self, side: Side, name: str) -> str:
        start = f"{side}/"
        names = [key.removeprefix(start) for key in self._arrays if key.startswith(start)]
        near = difflib.get_close_matches(name, names, 1)
        return f"did you mean {near[0]}?" if near else "add it, for it is to have all videos"


def read_precomputed(path: Path, kind: Kind) -> Precomputed:
    """Open a file of values; the arrays of an NPZ archive are read one by one when asked for.

    Raises:
        DataError: the file is missing, damaged or of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: is neither .npz nor .csv; give {kind} in one of these")
    try:
        digest = file_sha256(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give one with the {kind} of both sets") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be opened ({one_line(error)}); check the path") from None
    info = ExtractorInfo(
        name=path.name, version="precomputed", weights=digest, cost="nothing: read from a file"
    )
    arrays: _Arrays = _archive(path) if suffix == ".npz" else read_csv(path, kind)
    return Precomputed(path, kind, arrays, info)


def _archive(path: Path) -> _Arrays:
    try:
        arrays = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy and zipfile raise a dozen classes for a damaged archive
        raise DataError(
            f"{path}: not a readable .npz archive ({one_line(error)}); save it again"
        ) from None
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: is one array, not an .npz archive; save it with numpy.savez")
    return arrays


def _numbers(where: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "iuf":
        raise DataError(f"{where}: holds {array.dtype}, not numbers; save floats")
    return array.astype(np.float64)
