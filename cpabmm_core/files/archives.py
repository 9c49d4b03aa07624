"""A bound on what a zip archive becomes when it is read."""

import zipfile
from collections.abc import Collection
from typing import BinaryIO

_HARMLESS_BYTES = 256_000_000
_MAX_EXPANSION = 100
"""How many times larger an archive may become. Weights shrink by a few per cent."""


def expanded_size(file: BinaryIO | str, members: Collection[str] | None = None) -> int | None:
    """Return the size to which an archive would expand if that is excessive, else None.

    The size is excessive if it is over 256 MB and over 100 times that of the archive.

    Args:
        file: the archive.
        members: names of the files that will be unpacked; None: all. The others do not count.

    Raises:
        BadZipFile: the file is no zip archive.

    Example:
        >>> import io
        >>> packed = io.BytesIO()
        >>> with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        ...     archive.writestr("zeros", bytes(300_000_000))
        >>> expanded_size(packed)
        300000000
    """
    with zipfile.ZipFile(file) as archive:
        entries = [e for e in archive.infolist() if members is None or e.filename in members]
    size = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    return size if size > max(_HARMLESS_BYTES, _MAX_EXPANSION * packed) else None
