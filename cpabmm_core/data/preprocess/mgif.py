"""Conversion of the moving-gif data set: GIFs of any size become square clips on white."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.output import atomic_folder, check_output_folder
from cpabmm_core.media.clip_listing import report_passed_over
from cpabmm_core.media.content import is_gif
from cpabmm_core.media.folder_entries import visible_entries
from cpabmm_core.process_map import process_map
from cpabmm_core.progress import StatusCallback

_SUFFIX = ".gif"
_WHITE = 255


@dataclass(frozen=True, slots=True)
class GifSummary:
    """The number of clips in each set, and of GIFs that could not be converted.

    Example:
        >>> from cpabmm_core.data.preprocess import GifSummary
        >>> summary = GifSummary(train=90, test=10, left_out=2)  # as `convert_gifs` returns it
        >>> summary.train + summary.test
        100
    """

    train: int
    test: int
    left_out: int
    """The number of unreadable GIFs."""


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
    """Convert GIFs into the clips of ``folder/train`` and ``folder/test``.

    Frames are composited on white as a player shows them, padded with white to a square, and
    resized. Unreadable GIFs are skipped.

    Args:
        source: folder of GIFs. GIFs in its sub-folders ``train`` and ``test`` stay in their set. If
            it has neither, the GIFs are split by identity, as `split_data_set` does with seed 0.
        folder: folder to write; must be new or empty unless `force` is set.
        size: side of the clips, in pixels.
        file_format: ``png`` for lossless folders of frames, ``mp4`` for near-lossless videos.
        test_share: share of the identities in the test set, if `source` has no split.
        workers: number of processes; 1 converts in this process.
        force: replace ``train`` and ``test`` in a folder that is not empty.
        report: called with one line for each unreadable GIF, and one that names the entries of a
            folder that are no GIFs, if any.
        progress: called after each GIF with the number of finished GIFs and the total.

    Returns:
        The number of clips written, and of GIFs skipped.

    Raises:
        ConfigError: clips of this size cannot be written.
        DataError: the source contains no GIF, or two with the same name.
        MediaError: the folder cannot be written.
        OutputExistsError: the folder is not empty and `force` is not set.
        ResourceError: the disk is full, or a process was killed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from cpabmm_core.data.preprocess import convert_gifs
        >>> temporary = tempfile.TemporaryDirectory()
        >>> source = Path(temporary.name, "gifs")
        >>> source.mkdir()
        >>> first, *others = (Image.new("RGB", (20, 12), (80 * k, 0, 0)) for k in range(3))
        >>> first.save(source / "cat.gif", save_all=True, append_images=others)
        >>> convert_gifs(
        ...     source, Path(temporary.name, "set"), size=16, test_share=0, report=print
        ... )
        GifSummary(train=1, test=0, left_out=0)
        >>> temporary.cleanup()
    """
    check_clip_size(size, file_format)
    check_output_folder(folder, force=force, inputs=[source])
    split = _split(source, test_share, report)
    made = {"train": 0, "test": 0}
    with atomic_folder(folder, force=force) as temporary:
        tasks = []
        for subset, paths in split.items():
            (temporary / subset).mkdir()
            tasks += [_Task(path, temporary, subset, size, file_format) for path in paths]
        with process_map(min(workers, len(tasks))) as run:
            results = zip(tasks, run(_convert, tasks), strict=True)
            for done, (task, problem) in enumerate(results, 1):
                if problem is None:
                    made[task.subset] += 1
                else:
                    report(problem)
                if progress is not None:
                    progress(done, len(tasks))
    return GifSummary(made["train"], made["test"], len(tasks) - sum(made.values()))


@dataclass(frozen=True, slots=True)
class _Task:
    source: Path
    folder: Path
    subset: Literal["train", "test"]
    size: int
    file_format: ClipFormat


def _split(
    source: Path, test_share: float, report: StatusCallback
) -> dict[Literal["train", "test"], list[Path]]:
    train, test = source / "train", source / "test"
    if train.is_dir() or test.is_dir():
        return {
            "train": _gifs(train, report) if train.is_dir() else [],
            "test": _gifs(test, report) if test.is_dir() else [],
        }
    paths = _gifs(source, report)
    identities = group_by_identity(paths)
    numbers = {n for name in hold_out(identities, test_share, 0) for n in identities[name]}
    return {
        "train": [path for n, path in enumerate(paths) if n not in numbers],
        "test": [path for n, path in enumerate(paths) if n in numbers],
    }


def _gifs(folder: Path, report: StatusCallback) -> list[Path]:
    """Return the files of a folder that are GIFs by their suffix or content."""
    try:
        entries = visible_entries(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({one_line(error)}); check it") from None
    gifs = [entry for entry in entries if _is_gif(entry)]
    if not gifs:
        raise DataError(
            f"{folder}: contains no GIF; give a folder of GIFs, or one with train/ and test/"
        )
    found = set(gifs)
    others = [entry for entry in entries if entry not in found]
    report_passed_over(folder, others, report, "GIF")
    names: dict[str, Path] = {}
    for path in gifs:
        first = names.setdefault(path.stem, path)
        if first is not path:
            raise DataError(
                f"{folder}: {first.name} and {path.name} have the same name; rename one of them"
            )
    return gifs


def _is_gif(path: Path) -> bool:
    return (path.suffix.lower() == _SUFFIX and not path.is_dir()) or is_gif(path)


def _convert(task: _Task) -> str | None:
    """Convert one GIF; return the problem if it is unreadable, else None."""
    target = clip_path(task.folder / task.subset, task.source.stem, task.file_format)
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
    """Centre an image in a white square; an odd row or column is added at the end."""
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), _WHITE, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square
