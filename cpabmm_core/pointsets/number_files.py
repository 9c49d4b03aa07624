"""Files of numbers in JSON, CSV, NPZ, NPY or plain text, from a path or a stream."""

import codecs
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from cpabmm_core.arrays import Array
from cpabmm_core.errors import DataError
from cpabmm_core.files.archives import expanded_size
from cpabmm_core.files.checks import one_line
from cpabmm_core.files.json_text import read_json
from cpabmm_core.files.text import decode_text
from cpabmm_core.pointsets.number_arrays import as_numbers
from cpabmm_core.pointsets.number_lines import check_lone_commas, number_rows, starts_with_numbers
from cpabmm_core.pointsets.tables import Table, parse_table

_MAGIC = {b"PK": ".npz", b"\x93NUMPY": ".npy"}


@dataclass(frozen=True)
class NumberFile:
    """The unparsed content of a file.

    Example:
        >>> NumberFile("points.txt", ".txt", b"0.5 0.25").numbers().tolist()
        [[0.5, 0.25]]
    """

    name: str
    """The name in error messages: a path or ``standard input``."""
    suffix: str
    """The format: ``.json``, ``.csv``, ``.npz``, ``.npy`` or ``.txt``."""
    data: bytes
    """The whole content."""

    def text(self) -> str:
        """Return the content as text, without a byte order mark.

        Raises:
            DataError: the content is neither UTF-8 nor UTF-16.
        """
        return decode_text(self.name, self.data)

    def json(self) -> Any:  # noqa: ANN401  (any JSON value)
        """Return the JSON value.

        Raises:
            DataError: the content is not valid JSON, or an object has a key twice.
        """
        try:
            return read_json(self.text())
        except ValueError as error:
            raise DataError(f"{self.name}: not valid JSON ({one_line(error)}); fix it") from None

    def table(self) -> Table:
        """Return the CSV table; its first row names the columns, and blank rows are skipped.

        Raises:
            DataError: a row has more or fewer fields than columns, or the content is not CSV.
        """
        return parse_table(self.name, self.text())

    def is_plain_numbers(self) -> bool:
        """Return whether the first row that is not blank holds numbers, not column names."""
        return starts_with_numbers(self.name, self.text())

    def numbers(self) -> Array:  # (rows, columns)
        """Return the numbers of each line; skip blank lines.

        Semicolons, tabs, commas or spaces separate them. With semicolons or tabs, or with spaces
        only, a comma is a decimal mark.

        Raises:
            DataError: a field is not a number, or the lines differ in length.
        """
        rows = [row for _, row in number_rows(self.name, self.text())]
        return as_numbers(self.name, "the file", rows)

    def weights(self) -> Array:  # (W,)
        """Return the numbers of all lines in one row.

        Raises:
            DataError: as `numbers`, or a comma may be a decimal mark or a separator.
        """
        check_lone_commas(self.name, self.text())
        return self.numbers().ravel()

    def array_names(self) -> list[str]:
        """Return the names of the arrays of an NPZ archive, without unpacking any.

        Raises:
            DataError: the content is not an archive.
        """
        with self._archive() as archive:
            return archive.files

    def arrays(self, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return arrays of an NPZ archive. Only these are unpacked.

        Args:
            names: the arrays to return, if the archive has them; None returns all.

        Raises:
            DataError: the content is not an archive of plain arrays, or would expand too much.
        """
        with self._archive() as archive:
            chosen = [name for name in archive.files if names is None or name in names]
            members = {*chosen, *(f"{name}.npy" for name in chosen)}
            if (size := expanded_size(io.BytesIO(self.data), members)) is not None:
                raise ValueError(f"{len(self.data)} bytes would expand to {size}")
            arrays = {name: archive[name] for name in chosen}
            for name, array in arrays.items():
                if not isinstance(array, np.ndarray):  # NumPy returns other members as bytes
                    raise ValueError(f"{name} is not an array")
            return arrays

    def array(self) -> Array:
        """Return the array of an NPY file.

        Raises:
            DataError: the content is not a plain array of numbers.
        """
        try:
            array = np.load(io.BytesIO(self.data), allow_pickle=False)
        except Exception as error:  # as in `_archive`
            raise DataError(
                f"{self.name}: not a readable .npy file ({one_line(error)}); save it again"
            ) from None
        return as_numbers(self.name, "the array", array)

    @contextmanager
    def _archive(self) -> Iterator[NpzFile]:
        try:
            with np.load(io.BytesIO(self.data), allow_pickle=False) as archive:
                yield archive
        except Exception as error:  # NumPy and zipfile raise a dozen classes for damaged archives
            raise DataError(
                f"{self.name}: not a readable .npz archive ({one_line(error)}); save it again"
            ) from None


def open_number_file(file: NumberFile | str | Path, suffixes: Sequence[str]) -> NumberFile:
    """Read a file if it is given by its path; return it unchanged otherwise."""
    return file if isinstance(file, NumberFile) else read_number_file(file, suffixes)


def read_number_file(path: str | Path, suffixes: Sequence[str]) -> NumberFile:
    """Read a file or a pipe.

    The suffix of a file determines its format; for a pipe the first bytes do.

    Args:
        path: a file, or a pipe such as a shell's process substitution.
        suffixes: the accepted formats, such as ``(".json", ".csv")``.

    Returns:
        The content, not parsed yet.

    Raises:
        DataError: the path is missing, a folder, unreadable, empty, or of another format.

    Example:
        >>> read_number_file("missing.json", [".json"])
        Traceback (most recent call last):
        cpabmm_core.errors.DataError: missing.json: no such file; give a .json file
    """
    path = Path(path)
    wanted = f"give a {_any_of(suffixes)} file"
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a folder; {wanted}")
        is_pipe = path.exists() and not path.is_file()
        if not is_pipe and path.suffix.lower() not in suffixes:
            got = f"suffix {path.suffix}" if path.suffix else "no suffix"
            raise DataError(f"{path}: {got}; {wanted}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {wanted}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({one_line(error)}); check the path") from None
    if is_pipe:
        return number_file(data, str(path), suffixes)
    if not data:
        raise DataError(f"{path}: is empty; write or fetch it again")
    return NumberFile(str(path), path.suffix.lower(), data)


def number_file(data: bytes, name: str, suffixes: Sequence[str]) -> NumberFile:
    """Wrap the content of a stream; its first bytes determine NPZ, NPY or JSON, otherwise CSV.

    Args:
        data: the whole content.
        name: the name of the stream in error messages.
        suffixes: the accepted formats.

    Returns:
        The content, not parsed yet.

    Raises:
        DataError: the stream is empty or of another format.

    Example:
        >>> number_file(b"[[0.5, 0.25]]", "standard input", [".json", ".csv"]).suffix
        '.json'
    """
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    content = decode_text(name, data).encode() if marked else data.removeprefix(codecs.BOM_UTF8)
    head = content.lstrip()[:1]
    if not head:
        raise DataError(f"{name}: is empty; send {_any_of(suffixes)} content")
    magic = [suffix for start, suffix in _MAGIC.items() if data.startswith(start)]
    suffix = magic[0] if magic else ".json" if head in b"[{" else ".csv"
    if suffix not in suffixes:
        raise DataError(f"{name}: has {suffix} content; send {_any_of(suffixes)} content")
    return NumberFile(name, suffix, data)


def _any_of(suffixes: Sequence[str]) -> str:
    return " or ".join([*filter(None, [", ".join(suffixes[:-1])]), suffixes[-1]])
