"""Files of a run of `fit-cpab`: streams, and one for each set, written all or none."""

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
    from cpabmm_core.pointsets.number_files import NumberFile

Write = Callable[[Path], object]
"""Writes a file to the path it is given."""


@dataclass(frozen=True)
class Request:
    """What a run is to write, and in which form."""

    image: Path | None
    output: Path | None
    plot: Path | None
    json: bool
    force: bool


@dataclass(frozen=True)
class Outputs:
    """The files that a run writes."""

    outputs: list[Path]
    plots: list[Path]

    def named(self) -> dict[str, list[str]]:
        """Their names, for the JSON document."""
        return {
            "outputs": [str(path) for path in self.outputs],
            "plots": [str(path) for path in self.plots],
        }


def is_stdin(path: Path | None) -> bool:
    """Whether a path stands for standard input."""
    return path == Path("-")


def read_input(path: Path, suffixes: Sequence[str]) -> "NumberFile":
    """The content of a file, or of stdin if the path is ``-``."""
    from cpabmm_core.pointsets.number_files import number_file, read_number_file

    if is_stdin(path):
        return number_file(sys.stdin.buffer.read(), "standard input", suffixes)
    return read_number_file(path, suffixes)


def output_files(
    request: Request, names: Sequence[str], inputs: Sequence[Path | None], text: Sequence[str]
) -> Outputs:
    """The files that the request asks for, checked before any work.

    Args:
        request: what to write.
        names: of the sets; each has a picture and a plot of its own.
        inputs: files that must not be replaced.
        text: suffixes that the output may have where it is no picture.
    """
    from cpabmm_core.files.output import check_output

    if request.image:
        outputs = _one_for_each(request.output, names)
    else:
        outputs = [request.output] if request.output else []
        for path in outputs:
            if path.suffix.lower() not in text:
                raise DataError(
                    f"{path}: expected a name that ends in {' or '.join(text)}; "
                    "for a warped picture give --image too"
                )
    files = Outputs(outputs, _one_for_each(request.plot, names))
    seen: set[str] = set()
    for path in (*files.outputs, *files.plots):
        check_output(path, force=request.force, inputs=[file for file in inputs if file])
        place = str(path.resolve()).casefold()  # not every file system tells a from A
        if place in seen:
            raise typer.BadParameter(
                f"{path} would be written twice; choose other names", param_hint="-o or --plot"
            )
        seen.add(place)
    return files


def write_all(files: Sequence[tuple[Path, Write]], *, force: bool) -> None:
    """Write each file under a temporary name, then rename them; if one fails, there is none."""
    from cpabmm_core.files.output import atomic_path

    with ExitStack() as stack:
        for path, write in files:
            write(stack.enter_context(atomic_path(path, force=force)))


def _one_for_each(path: Path | None, names: Sequence[str]) -> list[Path]:
    """OUT for one set; for several OUT with the set's name before the suffix."""
    if path is None:
        return []
    if len(names) == 1:
        return [path]
    for name in names:
        if any(separator and separator in name for separator in (os.sep, os.altsep)):
            raise DataError(f"set {name!r}: cannot be part of a file's name; give it another name")
    return [path.with_name(f"{path.stem}-{name}{path.suffix}") for name in names]
