"""Videos fetched by yt-dlp, where it is installed and only when asked for."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from cpabmm_core.data.clip_set import StatusCallback
from cpabmm_core.files.checks import one_line

# The pictures alone: nothing then has to be merged, for which yt-dlp would need FFmpeg.
_FORMAT = "bv*[ext=mp4][height<=1080]/b[ext=mp4]/b"
_ERROR = "ERROR:"


def download_videos(
    video_ids: Sequence[str],
    folder: Path,
    command: str,
    *,
    report: StatusCallback,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fetch YouTube videos, one after another, as ``folder/VIDEO_ID.mp4``.

    What yt-dlp says of a video that cannot be had goes to `report`, in one line, and the next one
    is fetched. A video is there whole or not at all, for yt-dlp renames it at the end.

    Args:
        video_ids: the videos.
        folder: where to put them; must be there.
        command: the path of yt-dlp.
        report: receives a line for each video that cannot be had.
        progress: called after each video with the number done and the total.
    """
    for done, video_id in enumerate(video_ids, 1):
        trouble = _download(video_id, folder / f"{video_id}.mp4", command)
        if trouble:
            report(f"{video_id}: yt-dlp: {trouble}")
        if progress is not None:
            progress(done, len(video_ids))


def _download(video_id: str, path: Path, command: str) -> str:
    """Fetch one video; why it is not there, or nothing."""
    arguments = [
        *(command, "--no-playlist", "--no-progress", "--format", _FORMAT),
        *("--output", str(path.absolute()).replace("%", "%%")),  # a template, where % is special
        *("--", f"https://www.youtube.com/watch?v={video_id}"),
    ]
    try:
        ended = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        return f"cannot be run ({one_line(error)})"
    lines = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    said = " ".join([line for line in lines if line.startswith(_ERROR)] or lines[-1:])
    if ended.returncode:
        return said or f"ended with code {ended.returncode} and said nothing"
    if not path.is_file():
        return said or f"ended well, but wrote no {path.name}"
    return ""
