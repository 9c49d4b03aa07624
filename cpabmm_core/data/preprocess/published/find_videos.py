"""Finding the videos of a published data set, and fetching missing ones."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cpabmm_core.data.preprocess.published.table import TableRow
from cpabmm_core.errors import CpabmmError, DataError, Remedy
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.suffixes import VIDEO_SUFFIXES

_NAMED = 5

Fetch = Callable[[Sequence[str]], None]
"""Tries to add the videos of these names to the folder of videos."""
ProblemCallback = Callable[[CpabmmError], None]
"""Called with each problem that does not stop the run; ``str(problem)`` is one line."""


def find_videos(
    rows: Sequence[TableRow], videos: Path, fetch: Fetch | None, report: ProblemCallback
) -> list[tuple[Path, list[TableRow]]]:
    """Return each existing video with its rows, and report the missing ones."""
    by_video: dict[str, list[TableRow]] = {}
    for row in rows:
        by_video.setdefault(row.video, []).append(row)
    files = _files_by_name(videos)
    missing = [name for name in by_video if name not in files]
    if missing and fetch is not None:
        fetch(missing)
        files = _files_by_name(videos)
        missing = [name for name in missing if name not in files]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        problem = DataError(
            f"{videos}: {len(missing)} of {len(by_video)} videos are missing: "
            f"{', '.join(missing[:_NAMED])}{more}",
            "add them as VIDEO_ID.mp4, or pass fetch",
            remedy=Remedy.DOWNLOAD,
        )
        report(problem)
    return [(files[name], of_video) for name, of_video in by_video.items() if name in files]


def _files_by_name(folder: Path) -> dict[str, Path]:
    """Return the files with the suffix of a video, by their names without it.

    Of several files of a name, the one whose suffix is first in `VIDEO_SUFFIXES` counts.
    """
    ranks = {suffix: rank for rank, suffix in enumerate(VIDEO_SUFFIXES)}
    try:
        videos = [path for path in folder.iterdir() if path.suffix.lower() in ranks]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({one_line(error)}); check it") from None
    videos.sort(key=lambda path: (ranks[path.suffix.lower()], path.name), reverse=True)
    return {path.stem: path for path in videos}
