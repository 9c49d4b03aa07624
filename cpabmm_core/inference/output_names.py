"""The name of a result that was given none."""

from pathlib import Path

_STDIN = "-"
_FOLDER_FORMAT = "png"


def default_output(source: str, driving: str, format: str | None = None) -> str:
    """Return the names of source and driving video, joined.

    Args:
        source: name of the source.
        driving: name of the driving video.
        format: format of the result; None means MP4. ``png`` is a folder of frames.

    Example:
        >>> default_output("pictures/face.png", "talk.mp4"), default_output("face.png", "-", "gif")
        ('face--talk.mp4', 'face--stdin.gif')
    """
    joined = f"{_stem(source)}--{_stem(driving)}"
    return f"{joined}/" if format == _FOLDER_FORMAT else f"{joined}.{format or 'mp4'}"


def _stem(name: str) -> str:
    if name == _STDIN:
        return "stdin"
    path = Path(name)
    # a folder of frames may have a dot in its name
    return (path.name if path.is_dir() else path.stem).replace(":", "-") or "frames"
