"""Mutations of files that keep their structure sensible most of the time."""

import random
import re
import struct
from collections.abc import Callable, Sequence

from fuzz.structures import Part, Tree, parse

_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_WORDS = re.compile(rb"[A-Za-z_]{2,}")
_VALUES = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31)
_EXTREMES = (2**32 - 1, 2**40, 2**56, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_NUMBERS = (
    b"0", b"-0", b"1", b"-1", b"2", b"1e999", b"-1e999", b"nan", b"NaN", b".nan", b"Infinity",
    b"-Infinity", b".inf", b"null", b"true", b"false", b"0x10", b"1_0", b"1e-320", b"4294967296",
    b"9223372036854775808", b"9" * 26, b"0.1", b"10", b"1000000", b"007", b"2024-01-01", b"12:30",
)  # fmt: skip
_TEXTS = (
    b'""', b"[]", b"{}", b"[[]]", b"[1,2]", b'{"a":1}', b"*a", b"&a", b"<<:", b"!!python/none",
    b"!!int", b"!!binary", b"\\u0000", b"\\ud800", b"\x1b[31m", b"\xc3\xa9", b"\xff\xfe", b"\x00",
    b"\xe2\x80\xa8", b"~", b"|", b">", b"---\n", b"...", b"%", b"\t", b"\r", b",,", b";", b'"',
    b"'",
)  # fmt: skip
_MOST_NESTED = 4000

Raw = Callable[[bytes, int], bytes]
"""Mutates bytes without knowledge of their format, to at most a given length."""


class Mutator:
    """Mutates the content of files.

    Args:
        pool: contents of valid files, from which parts are taken.
        raw: mutation of bytes for parts without known structure.
    """

    def __init__(self, pool: Sequence[bytes], raw: Raw) -> None:
        self._raw = raw
        self._donors: dict[bytes, list[bytes]] = {}
        for tree in filter(None, map(parse, pool)):
            for leaf in tree.leaves():
                self._donors.setdefault(leaf.name, []).append(leaf.body)
        self._names = sorted(self._donors)

    def mutate(self, data: bytes, limit: int, seed: int) -> bytes:
        """Return a changed copy of at most `limit` bytes; equal arguments give equal results."""
        rng = random.Random(seed)
        changed = data
        for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
            changed = self._step(changed, limit, rng)
        return changed[:limit]

    def _step(self, data: bytes, limit: int, rng: random.Random) -> bytes:
        if rng.random() < 0.1:
            return self._raw(data, limit)
        if rng.random() < 0.04:
            return data[: rng.randrange(len(data) + 1)]
        tree = parse(data)
        if tree is not None and tree.parts and rng.random() < 0.8:
            self._change_tree(tree, rng)
            return tree.data()
        return self._change_bytes(data, rng)

    def _change_tree(self, tree: Tree, rng: random.Random) -> None:
        siblings = rng.choice([each for each in tree.lists if each] or [tree.parts])
        leaf = rng.choice(tree.leaves() or [Part(b"")])
        action = rng.random()
        if action < 0.6:
            leaf.body = self._change_bytes(leaf.body, rng)
        elif action < 0.75:
            leaf.body = rng.choice(self._donors.get(leaf.name, [leaf.body]))
        elif action < 0.82:
            siblings.insert(rng.randrange(len(siblings) + 1), rng.choice(siblings))
        elif action < 0.89:
            siblings.pop(rng.randrange(len(siblings)))
        elif action < 0.94:
            rng.shuffle(siblings)
        elif self._names:
            name = rng.choice(self._names)
            part = Part(name, rng.choice(self._donors[name]))
            siblings.insert(rng.randrange(len(siblings) + 1), part)

    def _change_bytes(self, data: bytes, rng: random.Random) -> bytes:
        if not data:
            return rng.randbytes(rng.randrange(1, 9))
        if rng.random() < 0.15:
            return self._raw(data, 2 * len(data) + 16)
        if _is_text(data):
            return _change_text(data, rng)
        if data[8:9] == b"{":  # safetensors: the length of the header, then the header
            return _change_safetensors(data, rng)
        if data[:2] in (b"II", b"MM") and rng.random() < 0.7:
            return _change_tiff_entry(data, rng)
        return rng.choice((_set_number, _set_number, _flip_bits, _set_bytes, _copy_range))(
            data, rng
        )


def _is_text(data: bytes) -> bool:
    head = data[:256]
    return all(byte >= 0x20 or byte in b"\t\n\r" for byte in head) and head[:1] < b"\x80"


def _change_text(data: bytes, rng: random.Random) -> bytes:
    """Change a number, a word, a line or the nesting of JSON, YAML or CSV."""
    action = rng.random()
    found = list((_NUMBER if action < 0.35 else _WORDS).finditer(data[:20000]))
    if action < 0.6 and found:
        match = rng.choice(found)
        other = rng.choice(found)[0] if rng.random() < 0.3 else rng.choice(_NUMBERS + _TEXTS[:14])
        return data[: match.start()] + other + data[match.end() :]
    at = rng.randrange(len(data) + 1)
    if action < 0.75:
        return data[:at] + rng.choice(_TEXTS) + data[at:]
    if action < 0.79:
        opening, closing = rng.choice(((b"[", b"]"), (b"{", b"}"), (b'{"a":', b"}"), (b"- ", b"")))
        count = rng.choice((2, 40, _MOST_NESTED))
        return data[:at] + opening * count + closing * rng.choice((0, count)) + data[at:]
    lines = data.splitlines(keepends=True) or [b""]
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    if action < 0.87:
        lines.insert(first, lines[second])
    elif action < 0.93:
        lines.pop(first)
    else:
        lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def _change_safetensors(data: bytes, rng: random.Random) -> bytes:
    size = int.from_bytes(data[:8], "little")
    if rng.random() < 0.1:
        return struct.pack("<Q", rng.choice(_VALUES + _EXTREMES)) + data[8:]
    header = _change_text(data[8 : 8 + size], rng)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


def _change_tiff_entry(data: bytes, rng: random.Random) -> bytes:
    """Change the tag, type, count, value or next-directory field of a directory of a TIFF file."""
    order = "<" if data[:1] == b"I" else ">"
    if len(data) < 8:
        return _set_number(data, rng)
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    if start + 2 > len(data):
        return _set_number(data, rng)
    count = struct.unpack_from(f"{order}H", data, start)[0]
    place, width = rng.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 2)))
    at = start + 2 + 12 * rng.randrange(count + 1) + (0 if rng.random() < 0.05 else place)
    value = rng.choice(
        (start, len(data), *_VALUES, 2**32 - 1, rng.randrange(64), rng.randrange(400))
    )
    return _write(data, at, value, width, "little" if order == "<" else "big")


def _set_number(data: bytes, rng: random.Random) -> bytes:
    """Overwrite an integer of one to eight bytes, often with an extreme value."""
    width = rng.choice((1, 1, 2, 2, 4, 4, 4, 8))
    at = rng.randrange(len(data))
    order = rng.choice(("little", "big"))
    old = int.from_bytes(data[at : at + width], "little" if order == "little" else "big")
    near = (old - 1, old + 1, old * 2, old // 2, len(data), len(data) - at)
    value = rng.choice((rng.choice(_VALUES), rng.choice(_EXTREMES), rng.choice(near)))
    return _write(data, at, value, width, order)


def _write(data: bytes, at: int, value: int, width: int, order: str) -> bytes:
    number = (value % (1 << 8 * width)).to_bytes(width, "little" if order == "little" else "big")
    return data[:at] + number + data[at + width :]


def _flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_bytes(data: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(data)), rng.choice((1, 2, 4, 16, 64))
    fill = rng.choice((b"\0" * length, b"\xff" * length, rng.randbytes(length)))
    return data[:at] + fill + data[at + length :]


def _copy_range(data: bytes, rng: random.Random) -> bytes:
    """Remove, repeat or move a range."""
    first, second = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    second = min(second, first + rng.choice((1, 4, 32, len(data))))
    at = rng.randrange(len(data) + 1)
    rest = data if rng.random() < 0.5 else data[:first] + data[second:]
    return rest if rng.random() < 0.3 else rest[:at] + data[first:second] + rest[at:]
