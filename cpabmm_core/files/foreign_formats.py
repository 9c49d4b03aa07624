"""Names of file formats that people take for a file of weights."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from cpabmm_core.files.printable import printable

ONNX_FILE = "an ONNX file"
_UNPACK = "unpack it and give the file of weights in it"
_EXPORT = "give the file that it was exported from"
_WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".tar", ".onnx")
_NAME_CHARACTERS = 80
"""Most characters of a name in a message."""
_NAMED = 3
_SHOWN = 60
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Protocol buffers have no signature. An ONNX file begins with its version, then its producer.
_SIGNATURES: tuple[tuple[bytes, str, str | None], ...] = (
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", _EXPORT),
    (rb"GGUF|lmgg|fmgg|tjgg", "a GGUF file, as llama.cpp reads", _EXPORT),
    (rb".{4}TFL3", "a TensorFlow Lite file", _EXPORT),
    (rb"\x08[\x03-\x1f](\x12.[ -~]{2}|[\x3a\x42])", ONNX_FILE, _EXPORT),
    (rb"\x08[\x00-\x02]\x12", "a TensorFlow file", _EXPORT),
    (rb"\x93NUMPY", "a NumPy array", None),
    (rb"\x1f\x8b", "a gzip file", _UNPACK),
    (rb"BZh[1-9]", "a bzip2 file", _UNPACK),
    (rb"\xfd7zXZ\x00", "an xz file", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard file", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (rb"Rar!", "a RAR archive", _UNPACK),
    (rb".{257}ustar", "a tar archive", _UNPACK),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM....\0\0\0\0", "a picture", None),
    (rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", "a video", None),
    (rb"%PDF", "a PDF document", None),
    (rb"\x7fELF|MZ", "a program", None),
    (rb"SQLite format 3", "a database", None),
    (rb"\s*<\?xml|\s*<[A-Za-z]", "an XML document", "download the file itself"),
)
_PATTERNS = [(re.compile(p, re.DOTALL), what, cure) for p, what, cure in _SIGNATURES]
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")


def describe_format(head: bytes) -> tuple[str, str | None]:
    """Say what a file is from its first bytes, if it is a format that people confuse with weights.

    Args:
        head: the first bytes of the file; 512 suffice.

    Returns:
        What it is, to follow "is", or "" if it is unknown; and a cure, if one is particular to it.

    Example:
        >>> describe_format(b"GGUF")
        ('a GGUF file, as llama.cpp reads', 'give the file that it was exported from')
    """
    for pattern, what, cure in _PATTERNS:
        if pattern.match(head):
            return what, cure
    text = head.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text or not _TEXT.fullmatch(text):
        return "", None
    if text[:1] not in b"{[":
        return "a text file", None
    if b'"weight_map"' in text or b'"total_size"' in text:
        return (
            "the index of a checkpoint in several files",
            "join them into one, with the tensors of all",
        )
    shown = printable(" ".join(text[:_SHOWN].decode("utf-8", "replace").split()))
    return f"a JSON document ({shown}{'...' if len(text) > _SHOWN else ''})", None


def describe_archive(names: Sequence[str]) -> tuple[str, str]:
    """Say what a zip archive is that `torch.save` did not write.

    Args:
        names: the names of its files.

    Returns:
        What it is, to follow "is", and a cure.

    Example:
        >>> describe_archive(["model/vox.pth.tar", "model/readme.txt"])
        ('a zip archive of model/vox.pth.tar', 'unpack it and give that file')
    """
    files = [name for name in names if not name.endswith("/")]
    if files and all(name.endswith(".npy") for name in files):
        return "a NumPy archive of arrays", "give the file that it was made from"
    if any(PurePosixPath(name).name in ("archive_format", "model.json") for name in files):
        return "a program that torch.export wrote", "give a file of tensors"
    if any(name.endswith(".weights.h5") for name in files):
        return "a Keras model", _EXPORT
    weights = [name for name in files if name.lower().endswith(_WEIGHT_SUFFIXES)]
    shown = [printable(name, _NAME_CHARACTERS) for name in weights or files]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    held = f"{', '.join(shown[:_NAMED])}{more}" or "nothing"
    cure = "unpack it and give that file" if len(shown) == 1 else _UNPACK
    return f"a zip archive of {held}", cure
