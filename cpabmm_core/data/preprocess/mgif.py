"""The moving-gif set: GIFs of any size as square clips on white."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cpabmm_core.data.clip_set import StatusCallback, list_paths
from cpabmm_core.data.identities import group_by_identity
from cpabmm_core.data.preprocess.boxes import Box, crop_and_resize
from cpabmm_core.data.preprocess.clip_writer import (
    ClipFormat,
    ClipWriter,
    check_clip_size,
    clip_path,
)
from cpabmm_core.data.preprocess.reading import UnreadableVideoError, open_video, read_frames
from cpabmm_core.data.split import hold_out
from cpabmm_core.errors import DataError
from cpabmm_core.files.output import atomic_folder, check_output_folder
from cpabmm_core.process_map import process_map

_SUFFIX = ".gif"
_WHITE = 255


@dataclass(frozen=True, slots=True)
class GifSummary:
    """How many GIFs became clips."""

    train: int
    test: int
    left_out: int


def convert_gifs(
    source: Path,
    folder: Path,
    *,
    size: int,
    file_format: ClipFormat = "png",
    test_share: float,
    workers: int = 1,
    force: bool = False,
    report: StatusCallback,
    progress: Callable[[int, int], None] | None = None,
) -> GifSummary:
    """Turn GIFs into ``folder/train`` and ``folder/test``.

    Frames are put together as a player shows them, on white, padded with white to a square, and
    resized. A GIF that cannot be read is left out.

    Args:
        source: a folder of GIFs; those in its ``train`` and ``test`` stay on their side, and if it
            has neither they are split by identity, as `data.split` does with seed 0.
        folder: where to write; must be new or empty unless `force`.
        size: side of the clips, in pixels.
        file_format: folders of PNG frames, which lose nothing, or near-lossless MP4.
        test_share: share of the identities to hold out where the source is not split.
        workers: processes to convert with; 1 stays within this one.
        force: replace ``train`` and ``test`` in a folder that holds something.
        report: receives a line for each GIF that cannot be read.
        progress: called after each GIF with the number done and the total.

    Raises:
        ConfigError: clips of this size cannot be written.
        DataError: the source holds no GIF, or two of one name.
        MediaError: the folder cannot be written.
        OutputExistsError: the folder holds something and `force` is not set.
        ResourceError: the disk is full, or one of the processes was killed.
    """
    check_clip_size(size, file_format)
    check_output_folder(folder, force=force, inputs=[source])
    sides = _split(source, test_share)
    made = {"train": 0, "test": 0}
    with atomic_folder(folder, force=force) as temporary:
        tasks = []
        for side, paths in sides.items():
            (temporary / side).mkdir()
            tasks += [_Task(path, temporary, side, size, file_format) for path in paths]
        with process_map(min(workers, len(tasks))) as run:
            results = zip(tasks, run(_convert, tasks), strict=True)
            for done, (task, trouble) in enumerate(results, 1):
                if trouble is None:
                    made[task.side] += 1
                else:
                    report(trouble)
                if progress is not None:
                    progress(done, len(tasks))
    return GifSummary(made["train"], made["test"], len(tasks) - sum(made.values()))


@dataclass(frozen=True, slots=True)
class _Task:
    source: Path
    folder: Path
    side: Literal["train", "test"]
    size: int
    file_format: ClipFormat


def _split(source: Path, test_share: float) -> dict[Literal["train", "test"], list[Path]]:
    train, test = source / "train", source / "test"
    if train.is_dir() or test.is_dir():
        return {
            "train": _gifs(train) if train.is_dir() else [],
            "test": _gifs(test) if test.is_dir() else [],
        }
    paths = _gifs(source)
    identities = group_by_identity(paths)
    numbers = {n for name in hold_out(identities, test_share, 0) for n in identities[name]}
    return {
        "train": [path for n, path in enumerate(paths) if n not in numbers],
        "test": [path for n, path in enumerate(paths) if n in numbers],
    }


def _gifs(folder: Path) -> list[Path]:
    gifs = [
        path for path in list_paths(folder) if path.suffix.lower() == _SUFFIX and path.is_file()
    ]
    if not gifs:
        raise DataError(f"{folder}: holds no GIF; give a folder of GIFs, or one with train/ in it")
    names: dict[str, Path] = {}
    for path in gifs:
        first = names.setdefault(path.stem, path)
        if first is not path:
            raise DataError(
                f"{folder}: {first.name} and {path.name} have one name; rename one of them"
            )
    return gifs


def _convert(task: _Task) -> str | None:
    """Convert one GIF; why that is not possible, or None."""
    target = clip_path(task.folder / task.side, task.source.stem, task.file_format)
    try:
        with (
            open_video(task.source) as reader,
            ClipWriter(
                target, task.size, task.file_format, reader.frame_rate, reader.time_base
            ) as writer,
        ):
            for frame in read_frames(reader):
                square = pad_to_square(frame.image)
                whole = Box(0, 0, square.shape[1], square.shape[0])
                writer.write(crop_and_resize(square, whole, task.size), frame.pts, frame.duration)
    except UnreadableVideoError as error:
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        return str(error)
    return None


def pad_to_square(
    image: NDArray[np.uint8],  # (H, W, 3)
) -> NDArray[np.uint8]:  # (S, S, 3), S the larger of H and W
    """The image in the middle of a white square; an odd row or column goes to the end."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), _WHITE, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square
