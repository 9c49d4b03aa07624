"""The input and output files of `fit-cpab`: standard input, and one output per set."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cpabmm_core.errors import DataError

if TYPE_CHECKING:
    from cpabmm_core.pointsets import NumberFile

Write = Callable[[Path], object]
"""A function that writes a file to the path it receives."""


@dataclass(frozen=True)
class Request:
    """The options that define what to write."""

    image: Path | None
    output: Path | None
    plot: Path | None
    json: bool
    force: bool


@dataclass(frozen=True)
class Outputs:
    """The files to write."""

    outputs: list[Path]
    plots: list[Path]

    def paths(self) -> dict[str, list[str]]:
        """Return the paths for the JSON document."""
        return {
            "outputs": [str(path) for path in self.outputs],
            "plots": [str(path) for path in self.plots],
        }


def is_stdin(path: Path | None) -> bool:
    """Return whether a path stands for standard input."""
    return path == Path("-")


def read_input(path: Path, suffixes: Sequence[str]) -> "NumberFile":
    """Read a file, or standard input if the path is ``-``."""
    from cpabmm_core.pointsets import number_file, read_number_file

    if is_stdin(path):
        return number_file(sys.stdin.buffer.read(), "standard input", suffixes)
    return read_number_file(path, suffixes)


def output_files(
    request: Request, names: Sequence[str], inputs: Sequence[Path | None], text: Sequence[str]
) -> Outputs:
    """Return the files that a request asks for, after checking that they can be written.

    Args:
        request: the options that name the files.
        names: names of the sets; each set has its own image and plot.
        inputs: files that must not be replaced.
        text: suffixes that OUT may have if it is not an image.
    """
    from cpabmm_core.files.output import check_output

    if request.image:
        outputs = _one_per_set(request.output, names)
    else:
        outputs = [request.output] if request.output else []
        for path in outputs:
            if path.suffix.lower() not in text:
                raise DataError(
                    f"{path}: expected a name that ends in {' or '.join(text)}; "
                    "a warped image also needs --image"
                )
    files = Outputs(outputs, _one_per_set(request.plot, names))
    seen: set[str] = set()
    for path in (*files.outputs, *files.plots):
        check_output(path, force=request.force, inputs=[file for file in inputs if file])
        place = str(path.resolve()).casefold()  # some file systems ignore case
        if place in seen:
            raise typer.BadParameter(
                f"{path} would be written twice; choose other names", param_hint="-o or --plot"
            )
        seen.add(place)
    return files


def write_all(files: Sequence[tuple[Path, Write]], *, force: bool) -> None:
    """Write all files under temporary names, then rename them; if one fails, write none."""
    from cpabmm_core.files.output import atomic_path

    with ExitStack() as stack:
        for path, write in files:
            write(stack.enter_context(atomic_path(path, force=force)))


def _one_per_set(path: Path | None, names: Sequence[str]) -> list[Path]:
    """Return one path per set; the names of several sets are inserted before the suffix."""
    if path is None:
        return []
    if len(names) == 1:
        return [path]
    for name in names:
        if any(separator and separator in name for separator in (os.sep, os.altsep)):
            raise DataError(f"set {name!r}: cannot be part of a file name; rename the set")
    return [path.with_name(f"{path.stem}-{name}{path.suffix}") for name in names]
