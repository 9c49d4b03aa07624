"""The raw videos of a data set: where they lie, whom they show, and what their clips are called."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cpabmm_core.errors import DataError
from cpabmm_core.media.clips import VIDEO_SUFFIXES


@dataclass(frozen=True)
class Source:
    """A raw video."""

    path: Path
    name: str
    """Its path below the folder that was given, with slashes."""
    identity: str
    """Whom it shows; has no ``#``."""
    video: str
    """What it is called among the videos of its identity."""

    @property
    def key(self) -> str:
        """Stands for the name where a short one is needed; the same on every machine."""
        return hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def list_sources(given: Path) -> list[Source]:
    """The videos of a folder and of all folders in it, or one video, sorted by name.

    A video shows the identity that its sub-folder is named for, the outermost one where they are
    nested. One that lies in no sub-folder shows that of its own name, up to the first ``#``.
    Hidden files and folders do not count.

    Raises:
        DataError: there is none, or two would have clips of one name.
    """
    if given.is_file():
        return [_source(given, given.parent)]
    if not given.is_dir():
        raise DataError(f"{given}: no such file or folder; give a video or a folder of videos")
    try:
        files = [path for path in given.rglob("*") if _is_video(path, given)]
    except OSError as error:
        raise DataError(f"{given}: cannot be listed ({error.strerror}); check it") from None
    if not files:
        raise DataError(f"{given}: holds no video ({' '.join(VIDEO_SUFFIXES)}); put some in it")
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
        # Some file systems take names that differ in case alone for the same.
        other = found.setdefault((source.identity.casefold(), source.video.casefold()), source)
        if other is not source:
            raise DataError(
                f"{root}: the clips of {other.name} and {source.name} would have the same names; "
                "rename one of them"
            )
