"""The raw videos of a data set: their paths, identities and names."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.clip_listing import has_suffix, report_passed_over
from cpabmm_core.media.suffixes import VIDEO_SUFFIXES
from cpabmm_core.progress import StatusCallback


@dataclass(frozen=True)
class Source:
    """A raw video."""

    path: Path
    name: str
    """The path relative to the given folder, with forward slashes."""
    identity: str
    """The identity that the video shows, without ``#``."""
    video: str
    """The name of the video among those of its identity."""

    @property
    def key(self) -> str:
        """A short file name for the video, the same on every machine."""
        return hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def list_sources(given: Path, report: StatusCallback = lambda _: None) -> list[Source]:
    """List the videos of a folder and its sub-folders, sorted by name, or a single video.

    The identity of a video is the name of its outermost sub-folder. Without a sub-folder, it is the
    name of the video up to the first ``#``. A file is a video by its suffix, or without one by its
    content. Hidden files and folders are ignored, and links to folders are not followed.

    Args:
        given: a folder, or a video.
        report: called with one line that names what was passed over, if anything was; annotations
            and the like are not named.

    Raises:
        DataError: no video exists, or the clips of two videos would have the same names.
    """
    if given.is_file():
        return [_source(given, given.parent)]
    if not given.is_dir():
        raise DataError(f"{given}: no such file or folder; give a video or a folder of videos")
    files: list[Path] = []
    others: list[Path] = []
    for path in _visible_files(given):
        (files if has_suffix(path, VIDEO_SUFFIXES) else others).append(path)
    if not files:
        raise DataError(f"{given}: contains no video (.mp4, .mov, .webm, .gif, ...); add some")
    report_passed_over(given, others, report, "video")
    sources = sorted((_source(path, given) for path in files), key=lambda source: source.name)
    _check_names(sources, given)
    return sources


def _visible_files(root: Path) -> list[Path]:
    """Return the files and links below a folder, sorted; hidden ones do not count."""
    found: list[Path] = []
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        except OSError as error:
            raise DataError(f"{folder}: cannot be listed ({one_line(error)}); check it") from None
        for entry in entries:
            is_folder = entry.is_dir() and not entry.is_symlink()
            (folders if is_folder else found).append(entry)
    return sorted(found)


def _source(path: Path, root: Path) -> Source:
    parts = path.relative_to(root).parts
    if len(parts) > 1:
        identity, video = parts[0].replace("#", "-"), "-".join([*parts[1:-1], path.stem])
    else:
        identity, _, video = path.stem.partition("#")
    return Source(path, "/".join(parts), identity or "-", video or identity)


def _check_names(sources: list[Source], root: Path) -> None:
    found: dict[tuple[str, str], Source] = {}
    for source in sources:
        # Some file systems ignore case in names.
        other = found.setdefault((source.identity.casefold(), source.video.casefold()), source)
        if other is not source:
            raise DataError(
                f"{root}: the clips of {other.name} and {source.name} would have the same names; "
                "rename one of them"
            )
