"""The clips of a training or test folder, and what to do about those that cannot be used."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from cpabmm_core.errors import DataError
from cpabmm_core.media.clips import Clip, list_clips, open_clip

OnError = Literal["skip", "refuse"]
StatusCallback = Callable[[str], None]
"""Receives one line that the person should see."""

SKIP_CURE = "data.on_error=skip goes on without"
_MAX_THREADS = 8  # the clips lie on one disk


class NamedClip(NamedTuple):
    """A clip and where it lies."""

    path: Path
    clip: Clip


def list_paths(folder: Path) -> list[Path]:
    """The paths of a folder's clips, in natural order.

    Raises:
        DataError: the folder is missing, holds no clip, or cannot be listed.
    """
    try:
        return list_clips(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); check it") from None


def open_clips(
    folder: Path, on_error: OnError, report: StatusCallback, *, paths: Sequence[Path] | None = None
) -> list[NamedClip]:
    """Open every clip of a folder that two frames can be taken from, in natural order.

    Videos are indexed without decoding more than their last run of frames (`media.video`), a few
    at a time. The index stays in memory: nothing is written beside the user's files.

    Args:
        folder: holds one clip per file or sub-folder (`media.clips`).
        on_error: ``skip`` reports each clip that cannot be used and leaves it out; ``refuse``
            raises, after it has reported them where there is more than one.
        report: is told of the clips that cannot be used.
        paths: the clips of the folder to open, one or more; None takes all.

    Raises:
        DataError: the folder is missing or holds no clip; none of its clips can be used; or one
            cannot and `on_error` is ``refuse``.
    """
    found = _open_all(list_paths(folder) if paths is None else paths)
    clips = [each for each in found if isinstance(each, NamedClip)]
    problems = [each for each in found if isinstance(each, str)]
    if len(problems) > 1 or on_error == "skip":
        for problem in problems:
            report(f"cannot be used: {problem}")
    if problems and on_error == "refuse":
        raise DataError(_refusal(folder, problems))
    if not clips:
        raise DataError(f"{folder}: none of its {len(found)} clips can be used; {problems[0]}")
    if problems:
        report(f"{folder}: {len(problems)} of {len(found)} clips are left out")
    return clips


def _refusal(folder: Path, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{problems[0]}; or {SKIP_CURE}"
    return (
        f"{folder}: {len(problems)} clips cannot be used, the first is {problems[0]}; {SKIP_CURE}"
    )


def _open_all(paths: Sequence[Path]) -> list[NamedClip | str]:
    pool = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1))
    try:
        return list(pool.map(_open, paths))
    finally:
        pool.shutdown(cancel_futures=True)  # else Ctrl-C would wait for all


def _open(path: Path) -> NamedClip | str:
    """The clip, or what is wrong with it."""
    try:
        clip = open_clip(path)
    except DataError as error:
        return str(error)
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror}); check it"
    if len(clip) < 2:
        return f"{path}: has one frame; a pair needs two, remove it"
    return NamedClip(path, clip)
