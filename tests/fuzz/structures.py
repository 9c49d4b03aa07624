"""File formats as trees of named parts, so that a mutated file keeps its sizes and checksums.

Parts are rebuilt with correct sizes (and CRCs in a PNG or zip file). Without that, most mutated
files would be refused by the first check and never reach a decoder.
"""

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

_PNG = b"\x89PNG\r\n\x1a\n"
_MP4_CONTAINERS = frozenset(
    b"moov trak mdia minf stbl edts dinf udta iprp ipco moof traf mvex".split()
)
_EBML_CONTAINERS = frozenset(
    bytes.fromhex(kind)
    for kind in (
        "18538067",
        "1654ae6b",
        "ae",
        "e0",
        "e1",
        "1f43b675",
        "a0",
        "114d9b74",
        "1c53bb6b",
        "bb",
    )
)
_MAX_DEPTH = 12


@dataclass
class Part:
    """A chunk, box, element or archive member."""

    name: bytes
    """Its type or file name."""
    body: bytes = b""
    """Its content, if it has no children."""
    children: list["Part"] | None = None
    """Its parts; None for a leaf."""

    def leaves(self) -> list["Part"]:
        """Return the leaves below this part, or the part itself."""
        if self.children is None:
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]


@dataclass
class Tree:
    """The parts of a file, with the function that writes them."""

    parts: list[Part]
    build: Callable[[list[Part]], bytes]
    lists: list[list[Part]] = field(default_factory=list)
    """All lists of siblings, from which parts can be removed and to which they can be added."""

    def __post_init__(self) -> None:
        self.lists = _sibling_lists(self.parts)

    def leaves(self) -> list[Part]:
        """Return all leaves."""
        return [leaf for part in self.parts for leaf in part.leaves()]

    def data(self) -> bytes:
        """Return the content of the file."""
        return self.build(self.parts)


def parse(data: bytes) -> Tree | None:
    """Return the tree of a file; None if its format has no parts or is damaged beyond parsing."""
    kinds: list[tuple[bool, Callable[[bytes], list[Part]], Callable[[list[Part]], bytes]]] = [
        (data.startswith(_PNG), _png_parts, _build_png),
        (data[:4] == b"RIFF", _riff_parts, partial(_build_riff, data[8:12])),
        (data[:4] == b"\x1a\x45\xdf\xa3", _ebml_parts, _build_ebml),
        (data[:2] == b"\xff\xd8", _jpeg_parts, _build_jpeg),
        (data[:2] == b"PK", _zip_parts, _build_zip),
        (data[4:8] in (b"ftyp", b"moov", b"mdat", b"jP  "), _mp4_parts, _build_mp4),
    ]
    for applies, read, build in kinds:
        if applies:
            try:
                return Tree(read(data), build)
            except Exception:  # the libraries raise whatever their parsers raise
                return None
    return None


def _sibling_lists(parts: list[Part]) -> list[list[Part]]:
    nested = [p.children for p in parts if p.children is not None]
    return [parts, *(each for children in nested for each in _sibling_lists(children))]


def _png_parts(data: bytes) -> list[Part]:
    parts, position = [], len(_PNG)
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        parts.append(Part(name, data[position + 8 : position + 8 + length]))
        position += 12 + length
    return parts


def _build_png(parts: list[Part]) -> bytes:
    chunks = []
    for part in parts:
        body = part.name + part.body
        chunks += [struct.pack(">I", len(part.body)), body, struct.pack(">I", zlib.crc32(body))]
    return _PNG + b"".join(chunks)


def _riff_parts(data: bytes, start: int = 12) -> list[Part]:
    parts, position = [], start
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        if name == b"LIST" and len(body) >= 4 and body[:4] != b"movi":
            parts.append(Part(name + body[:4], children=_riff_parts(body, 4)))
        else:
            parts.append(Part(name, body))
        position += 8 + length + length % 2
    return parts


def _build_riff(form: bytes, parts: list[Part]) -> bytes:
    body = form + _riff_bytes(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff_bytes(parts: list[Part]) -> bytes:
    out = b""
    for part in parts:
        body = part.body if part.children is None else part.name[4:] + _riff_bytes(part.children)
        out += part.name[:4] + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return out


def _mp4_parts(data: bytes, depth: int = 0) -> list[Part]:
    parts, position = [], 0
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            length, start = struct.unpack_from(">Q", data, position + 8)[0], position + 16
        end = position + length if length >= 8 else len(data)
        body = data[start:end]
        if name in _MP4_CONTAINERS and depth < _MAX_DEPTH:
            parts.append(Part(name, children=_mp4_parts(body, depth + 1)))
        else:
            parts.append(Part(name, body))
        position = end
    return parts


def _build_mp4(parts: list[Part]) -> bytes:
    out = []
    for part in parts:
        body = part.body if part.children is None else _build_mp4(part.children)
        out.append(struct.pack(">I", len(body) + 8) + part.name + body)
    return b"".join(out)


def _ebml_parts(data: bytes, depth: int = 0) -> list[Part]:
    parts, position = [], 0
    while position < len(data):
        width = 9 - data[position].bit_length()
        name = data[position : position + width]
        size_at = position + width
        size_width = 9 - data[size_at].bit_length()
        bits = 7 * size_width
        length = int.from_bytes(data[size_at : size_at + size_width], "big") & ((1 << bits) - 1)
        start = size_at + size_width
        end = len(data) if length == (1 << bits) - 1 else start + length
        body = data[start:end]
        if name in _EBML_CONTAINERS and depth < _MAX_DEPTH:
            parts.append(Part(name, children=_ebml_parts(body, depth + 1)))
        else:
            parts.append(Part(name, body))
        position = end
    return parts


def _build_ebml(parts: list[Part]) -> bytes:
    out = []
    for part in parts:
        body = part.body if part.children is None else _build_ebml(part.children)
        out.append(part.name + struct.pack(">Q", len(body) | 1 << 56) + body)
    return b"".join(out)


def _jpeg_parts(data: bytes) -> list[Part]:
    parts, position = [], 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        parts.append(
            Part(data[position : position + 2], data[position + 4 : position + 2 + length])
        )
        position += 2 + max(length, 2)
    return [*parts, Part(b"", data[position:])]


def _build_jpeg(parts: list[Part]) -> bytes:
    out = b"\xff\xd8"
    for part in parts:
        size = struct.pack(">H", min(len(part.body) + 2, 0xFFFF)) if part.name else b""
        out += part.name + size + part.body
    return out


def _zip_parts(data: bytes) -> list[Part]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            Part(i.filename.encode("utf-8", "replace"), archive.read(i)) for i in archive.infolist()
        ]


def _build_zip(parts: list[Part]) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a repeated member is a mutation like any other
        with zipfile.ZipFile(out, "w") as archive:
            for part in parts:
                archive.writestr(part.name.decode("utf-8", "replace") or "_", part.body)
    return out.getvalue()
