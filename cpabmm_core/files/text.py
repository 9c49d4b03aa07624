"""Decoding of text files as programs on every system write them."""

import codecs

from cpabmm_core.errors import DataError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HEAD_BYTES = 256


def decode_text(name: str, data: bytes) -> str:
    r"""Decode UTF-8 or UTF-16 (a spreadsheet's "Unicode text"); drop a byte order mark.

    Args:
        name: the file, for the message.
        data: the whole content.

    Raises:
        DataError: the content is in another encoding.

    Example:
        >>> decode_text("a.csv", "x;y\n".encode("utf-16"))
        'x;y\n'
    """
    marks = [encoding for mark, encoding in _MARKS.items() if data.startswith(mark)]
    encoding = marks[0] if marks else _unmarked(data[:_HEAD_BYTES])
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}: line {line} is not UTF-8 text; save the file as UTF-8") from None


def _unmarked(head: bytes) -> str:
    """Guess the encoding of text without a mark; ASCII in UTF-16 has a zero in every other byte."""
    for first, encoding in ((0, "utf-16-be"), (1, "utf-16-le")):
        zeros = head[first::2]
        if len(head) > 1 and not zeros.strip(b"\0") and head[1 - first :: 2].count(0) == 0:
            return encoding
    return "utf-8"
