"""Finding the videos of a published data set, and fetching missing ones."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cpabmm_core.data.preprocess.published.table import TableRow
from cpabmm_core.errors import CpabmmError, DataError, Remedy
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
    missing = [name for name in by_video if _find_video(videos, name) is None]
    if missing and fetch is not None:
        fetch(missing)
        missing = [name for name in missing if _find_video(videos, name) is None]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        problem = DataError(
            f"{videos}: {len(missing)} of {len(by_video)} videos are missing: "
            f"{', '.join(missing[:_NAMED])}{more}",
            "add them as VIDEO_ID.mp4, or pass fetch",
            remedy=Remedy.DOWNLOAD,
        )
        report(problem)
    found = ((_find_video(videos, name), of_video) for name, of_video in by_video.items())
    return [(source, of_video) for source, of_video in found if source is not None]


def _find_video(videos: Path, name: str) -> Path | None:
    """Return the file of a video, with any video suffix."""
    paths = (videos / f"{name}{suffix}" for suffix in VIDEO_SUFFIXES)
    return next((path for path in paths if path.exists()), None)
