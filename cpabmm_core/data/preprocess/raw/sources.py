"""The raw videos of a data set: their paths, identities and names."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.files.checks import one_line
from cpabmm_core.media.suffixes import VIDEO_SUFFIXES


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


def list_sources(given: Path) -> list[Source]:
    """List the videos of a folder and its sub-folders, sorted by name, or a single video.

    The identity of a video is the name of its outermost sub-folder. Without a sub-folder, it is the
    name of the video up to the first ``#``. Hidden files and folders are ignored.

    Raises:
        DataError: no video exists, or the clips of two videos would have the same names.
    """
    if given.is_file():
        return [_source(given, given.parent)]
    if not given.is_dir():
        raise DataError(f"{given}: no such file or folder; give a video or a folder of videos")
    try:
        files = [path for path in given.rglob("*") if _is_video(path, given)]
    except OSError as error:
        raise DataError(f"{given}: cannot be listed ({one_line(error)}); check it") from None
    if not files:
        raise DataError(f"{given}: contains no video ({' '.join(VIDEO_SUFFIXES)}); add some")
    sources = sorted((_source(path, given) for path in files), key=lambda source: source.name)
    _check_names(sources, given)
    return sources


def _is_video(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


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
