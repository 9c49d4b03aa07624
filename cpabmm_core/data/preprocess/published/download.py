"""Downloading videos with an installed yt-dlp."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from cpabmm_core.files.checks import one_line
from cpabmm_core.progress import StatusCallback

# Prefer video without sound: yt-dlp needs FFmpeg to merge the two.
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
    """Download YouTube videos, one after another, as ``folder/VIDEO_ID.mp4``.

    If a video is unavailable, the message of yt-dlp is passed to `report`, and the next video
    follows. An interrupted download leaves no file under the final name.

    Args:
        video_ids: identifiers of the videos.
        folder: existing folder to write to.
        command: path of yt-dlp.
        report: called with one line for each video that cannot be downloaded.
        progress: called after each video with the number of attempted videos and the total.

    Example:
        >>> from pathlib import Path
        >>> from cpabmm_core.data.preprocess import download_videos
        >>> download_videos(["dQw4w9WgXcQ"], Path("videos"), "no-such-program", report=print)
        dQw4w9WgXcQ: yt-dlp: cannot be run (No such file or directory)
    """
    for done, video_id in enumerate(video_ids, 1):
        problem = _download(video_id, folder / f"{video_id}.mp4", command)
        if problem:
            report(f"{video_id}: yt-dlp: {problem}")
        if progress is not None:
            progress(done, len(video_ids))


def _download(video_id: str, path: Path, command: str) -> str:
    """Download one video; return the problem, or an empty string on success."""
    arguments = [
        *(command, "--no-playlist", "--no-progress", "--format", _FORMAT),
        *("--output", str(path.absolute()).replace("%", "%%")),  # a template, so escape %
        *("--", f"https://www.youtube.com/watch?v={video_id}"),
    ]
    try:
        finished = subprocess.run(
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
    lines = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    message = " ".join([line for line in lines if line.startswith(_ERROR)] or lines[-1:])
    if finished.returncode:
        return message or f"failed with exit code {finished.returncode} and no message"
    if not path.is_file():
        return message or f"succeeded, but did not write {path.name}"
    return ""
