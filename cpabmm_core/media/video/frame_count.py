"""The number of frames that a file announces, for displays of progress."""

from pathlib import Path

import av

from cpabmm_core.errors import MediaError
from cpabmm_core.media.video.library_calls import UnnamedError, library_calls
from cpabmm_core.media.video.opening import open_input, video_stream


def announced_frames(path: Path) -> int | None:
    """Return about how many frames a video has, without decoding it.

    It is the number that the file states, or else its duration times its frame rate.

    Args:
        path: the file.

    Returns:
        None if the file states neither, or is not a video.
    """
    try:
        with open_input(path) as container, library_calls():
            stream = video_stream(container, path)
            if stream.frames:
                return stream.frames
            rate, seconds = stream.average_rate, None
            if stream.duration is not None and stream.time_base is not None:
                seconds = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                seconds = container.duration / av.time_base
    except (MediaError, UnnamedError):
        return None
    return None if rate is None or seconds is None else max(1, round(seconds * float(rate)))
