"""The two facts of EXIF that change how a picture looks: its orientation and its colour space.

EXIF is often malformed. What cannot be read counts as absent.
"""

import struct
from dataclasses import dataclass

_ORIENTATION, _EXIF_IFD, _INTEROP_IFD = 0x0112, 0x8769, 0xA005
_COLOUR_SPACE, _INTEROP_INDEX = 0xA001, 0x0001
_ADOBE_RGB = 2
_PREFIX = b"Exif\0\0"
_SHORT, _MOST_ENTRIES = 3, 1000


@dataclass(frozen=True)
class ExifFacts:
    """What EXIF says about the look of a picture.

    Args:
        orientation: 1 to 8; 1 is upright.
        adobe_rgb: whether the camera recorded Adobe RGB (DCF option file, ``R03``).
    """

    orientation: int = 1
    adobe_rgb: bool = False


def read_exif(block: bytes | None) -> ExifFacts:
    """Read an EXIF block, with or without its prefix; malformed parts are ignored.

    Example:
        >>> read_exif(bytes.fromhex("4d4d002a00000008 0001 0112000300000001 00060000")).orientation
        6
    """
    data = (block or b"").removeprefix(_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return ExifFacts()
    main = _entries(data, struct.unpack_from(f"{order}L", data, 4)[0], order)
    details = _entries(data, _number(main, _EXIF_IFD, order), order)
    interop = _entries(data, _number(details, _INTEROP_IFD, order), order)
    orientation = _number(main, _ORIENTATION, order)
    index = interop.get(_INTEROP_INDEX, (0, b""))[1]
    adobe = index[:3] == b"R03" or _number(details, _COLOUR_SPACE, order) == _ADOBE_RGB
    return ExifFacts(orientation if 1 <= orientation <= 8 else 1, adobe)


def _entries(data: bytes, offset: int, order: str) -> dict[int, tuple[int, bytes]]:
    """Return the type and the value field of each tag of a directory."""
    if not 8 <= offset <= len(data) - 2:
        return {}
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    found: dict[int, tuple[int, bytes]] = {}
    for number in range(min(count, _MOST_ENTRIES)):
        entry = data[offset + 2 + 12 * number :][:12]
        if len(entry) < 12:
            break
        tag, kind = struct.unpack_from(f"{order}HH", entry)
        found.setdefault(tag, (kind, entry[8:]))
    return found


def _number(entries: dict[int, tuple[int, bytes]], tag: int, order: str) -> int:
    """Return the first number of a tag, 0 if it is absent."""
    if tag not in entries:
        return 0
    kind, value = entries[tag]
    return int(struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'L'}", value)[0])
