"""The clips of a folder, and what else is in it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.printable import printable
from cpabmm_core.media.content import has_frames
from cpabmm_core.media.folder_entries import is_image_file, visible_entries
from cpabmm_core.media.suffixes import COMPANION_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from cpabmm_core.progress import StatusCallback

_CLIP_SUFFIXES = frozenset((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES))
_FILES_OF_SYSTEMS = ("thumbs.db", "desktop.ini")
_NAMED = 5


def list_clips(folder: str | Path, report: StatusCallback = lambda _: None) -> list[Path]:
    """List everything in a folder that looks like a clip, in natural order.

    A file counts by its suffix, so that a large data set is listed quickly and a partial download
    (``a.mp4.part``) does not count; a file without a suffix counts by its content. A sub-folder
    counts if it contains an image. Hidden entries do not count.

    Args:
        folder: the folder.
        report: called with one line that names what was passed over, if anything was. Annotations,
            notes, subtitles and sound next to the clips are not named.

    Raises:
        DataError: the folder is missing, holds no clip, or cannot be listed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from cpabmm_core.media import list_clips
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("10.mp4", "9.MTS", "labels.csv", "8.mp4.part"):
        ...         (Path(folder) / name).touch()
        ...     lines = []
        ...     [path.name for path in list_clips(folder, lines.append)]
        ['9.MTS', '10.mp4']
        >>> lines[0].partition(": ")[2]
        'passed over 1 entry that is no clip: 8.mp4.part'
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give one with a file or sub-folder per clip")
    try:
        entries = visible_entries(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({one_line(error)}); check it") from None
    clips = [entry for entry in entries if _looks_like_clip(entry)]
    found = set(clips)
    others = [entry for entry in entries if entry not in found]
    if not clips:
        raise DataError(
            f"{folder}: holds no clip{_instead(others)}; put videos (.mp4, .mov, .webm, .gif, ...),"
            " strip images or folders of frames in it"
        )
    report_passed_over(folder, others, report)
    return clips


def report_passed_over(
    folder: Path, entries: Iterable[Path], report: StatusCallback, what: str = "clip"
) -> None:
    """Report the entries of a folder that are neither clips nor companions of clips, in one line.

    Args:
        folder: the folder.
        entries: what was passed over, in or below the folder.
        report: called with the line, unless there is nothing to name.
        what: what the entries are not.
    """
    named = [entry for entry in entries if not _is_companion(entry)]
    if not named:
        return
    are = f"entry that is no {what}" if len(named) == 1 else f"entries that are no {what}s"
    report(f"{folder}: passed over {len(named)} {are}: {_names(named, folder)}")


def has_suffix(path: Path, suffixes: Iterable[str]) -> bool:
    """Return whether a file has one of the suffixes, or none and the content of a clip."""
    suffix = path.suffix.lower()
    return suffix in suffixes or (not suffix and has_frames(path))


def _looks_like_clip(path: Path) -> bool:
    if not path.is_dir():
        return has_suffix(path, _CLIP_SUFFIXES)
    try:
        return any(is_image_file(entry) for entry in path.iterdir() if entry.name[0] != ".")
    except OSError:  # opening the folder reports why it cannot be read
        return True


def _is_companion(path: Path) -> bool:
    if path.suffix.lower() not in COMPANION_SUFFIXES and path.name.lower() not in _FILES_OF_SYSTEMS:
        return False
    return not path.is_dir()


def _instead(others: Sequence[Path]) -> str:
    """Return what a folder holds instead of clips, companions included."""
    return f", only {_names(others, others[0].parent)}" if others else ""


def _names(entries: Sequence[Path], folder: Path) -> str:
    shown = [_shown(entry, folder) for entry in entries[:_NAMED]]
    more = f" and {len(entries) - _NAMED} more" if len(entries) > _NAMED else ""
    return f"{', '.join(shown)}{more}"


def _shown(entry: Path, folder: Path) -> str:
    """Return the name of an entry on one line."""
    name = entry.relative_to(folder).as_posix() + ("/" if entry.is_dir() else "")
    return printable(name)
