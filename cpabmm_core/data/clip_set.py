"""Opening the clips of a folder, and the handling of unusable clips."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from cpabmm_core.errors import CpabmmError, DataError, MediaError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.clip_listing import list_clips
from cpabmm_core.media.clips import Clip, open_clip
from cpabmm_core.progress import StatusCallback

OnError = Literal["skip", "refuse"]
SKIP_CURE = "set data.on_error=skip to leave it out"
_MAX_THREADS = 8  # more threads do not help, because the clips share one disk


class NamedClip(NamedTuple):
    """A clip and its path."""

    path: Path
    clip: Clip


def open_clips(
    folder: Path, on_error: OnError, report: StatusCallback, *, paths: Sequence[Path] | None = None
) -> list[NamedClip]:
    """Open all clips of a folder that have at least two frames, in natural order.

    Several videos are indexed in parallel; only the end of each is decoded. The index is kept in
    memory, and no file is written next to the clips.

    Args:
        folder: folder with one clip per file or sub-folder (`media.clips`).
        on_error: how to handle unusable clips. ``skip`` reports each of them and leaves it out;
            ``refuse`` raises an error and, if there are several, first reports each.
        report: called with a line for each unusable clip, and one that names what `list_clips`
            passed over, if anything.
        paths: the clips to open, one or more; None opens all clips of the folder.

    Returns:
        The usable clips with their paths.

    Raises:
        DataError: the folder is missing or contains no clip; no clip is usable; or a clip is
            unusable and `on_error` is ``refuse``.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.data import open_clips
        >>> from cpabmm_core.puppets import write_puppets
        >>> temporary = tempfile.TemporaryDirectory()
        >>> folder = Path(temporary.name)
        >>> size = dict(videos=2, test_videos=0, frames=4, size=32)
        >>> write_puppets(folder, **size, seed=0, format="strip", force=True)
        >>> clips = open_clips(folder / "train", "skip", print)
        >>> [(clip.path.name, len(clip.clip)) for clip in clips]
        [('00000.png', 4), ('00001.png', 4)]
        >>> temporary.cleanup()
    """
    found = _open_all(list_clips(folder, report) if paths is None else paths)
    clips = [each for each in found if isinstance(each, NamedClip)]
    problems = [each for each in found if isinstance(each, str)]
    if len(problems) > 1 or on_error == "skip":
        for problem in problems:
            report(f"unusable clip: {problem}")
    if problems and on_error == "refuse":
        raise DataError(_refusal(folder, problems))
    if not clips:
        raise DataError(f"{folder}: none of its {len(found)} clips is usable; {problems[0]}")
    if problems:
        report(f"{folder}: skipping {len(problems)} of {len(found)} clips")
    return clips


@contextmanager
def clip_errors(path: Path) -> Iterator[None]:
    """Turn whatever is raised while a clip is read into a `DataError`, so that it can be skipped.

    One clip of many must not end a training run, whatever is wrong with it.

    Raises:
        DataError: the clip cannot be read.
    """
    try:
        yield
    except MediaError as error:
        raise DataError(str(error)) from error
    except (CpabmmError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)}); check it") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise DataError(f"{path}: cannot be read ({reason}); convert or remove it") from error


def _refusal(folder: Path, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{problems[0]}, or {SKIP_CURE}"
    return f"{folder}: {len(problems)} clips are unusable, first {problems[0]}, or {SKIP_CURE}"


def _open_all(paths: Sequence[Path]) -> list[NamedClip | str]:
    pool = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1))
    try:
        return list(pool.map(_open, paths))
    finally:
        pool.shutdown(cancel_futures=True)  # otherwise Ctrl-C would wait for all clips


def _open(path: Path) -> NamedClip | str:
    """Return the clip, or a description of its problem."""
    try:
        with clip_errors(path):
            clip = open_clip(path)
    except DataError as error:
        return str(error)
    if len(clip) < 2:
        return f"{path}: has one frame, but a pair needs two; remove it"
    return NamedClip(path, clip)
