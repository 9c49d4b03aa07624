"""``fit-cpab --apply``: fitted transformations applied to other points or to a picture."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.cpab.files import (
    Request,
    is_stdin,
    output_files,
    read_input,
    write_all,
)
from cpabmm_cli.cpab.pictures import Pictures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from cpabmm_core.cpab import VelocitySpace

    Array = NDArray[np.float64]


def apply_document(theta: Path, points: Path | None, inverse: bool, request: Request) -> None:
    """Apply a document's transformations; write and print what is asked for.

    Args:
        theta: the document.
        points: the points to move, if any.
        inverse: apply the inverse transformations.
        request: what to write.
    """
    _check_usage(theta, points, request)
    import numpy as np

    from cpabmm_core.pointsets.points import POINT_SUFFIXES, format_points, read_points
    from cpabmm_core.pointsets.transformations import read_transformations

    document = read_transformations(read_input(theta, [".json"]))
    places = read_points(read_input(points, POINT_SUFFIXES)) if points else np.empty((0, 2))
    names = [transformation.name for transformation in document.transformations]
    files = output_files(request, names, [theta, points, request.image], POINT_SUFFIXES)
    pictures = Pictures(request, files)
    space = document.space()
    thetas = -document.thetas() if inverse else document.thetas()
    moved = _moved(space, thetas, places)
    writes = pictures.writes(space, thetas, [places] * len(names), list(moved))
    answer = {"inverse": inverse, "transformations": _entries(names, moved)}
    if points:
        for path in files.outputs:
            suffix = path.suffix.lower()
            in_json = suffix == ".json"
            text = (
                f"{as_json(answer)}\n".encode() if in_json else format_points(names, moved, suffix)
            )
            writes.append((path, partial(Path.write_bytes, data=text)))
    write_all(writes, force=request.force)
    if request.json:
        terminal.result(as_json({**answer, **files.named()}))
    elif points and not files.outputs:
        terminal.result(format_points(names, moved, ".txt").decode().removesuffix("\n"))
        for path in files.plots:
            terminal.say(str(path))
    else:
        for path in (*files.outputs, *files.plots):
            terminal.result(str(path))


def _check_usage(theta: Path, points: Path | None, request: Request) -> None:
    if points and request.image:
        raise typer.BadParameter("give POINTS or a picture, not both", param_hint="--image")
    if not points and not request.image and not request.plot:
        raise typer.BadParameter("give POINTS or --image", param_hint="--apply")
    if not points and not request.image and request.output:
        raise typer.BadParameter("needs POINTS or --image", param_hint="-o")
    if is_stdin(theta) and is_stdin(points):
        raise typer.BadParameter("stdin cannot be THETA and POINTS", param_hint="--apply")


def _moved(space: "VelocitySpace", thetas: "Tensor", points: "Array") -> "Array":  # (N, P, 2)
    import torch

    from cpabmm_core.cpab import transform

    each = torch.from_numpy(points).expand(len(thetas), -1, -1)
    return transform(space, thetas, each).numpy()


def _entries(names: list[str], moved: "Array") -> list[dict[str, Any]]:
    return [
        {"name": name, "points": points} for name, points in zip(names, moved.tolist(), strict=True)
    ]
