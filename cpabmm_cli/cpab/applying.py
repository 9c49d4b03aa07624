"""``fit-cpab --apply``: apply fitted transformations to points or an image."""

from functools import partial
from pathlib import Path

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.cpab.files import Request, is_stdin, output_files, read_input, write_all
from cpabmm_cli.cpab.pictures import plan_pictures, read_pictures


def apply_document(theta: Path, points: Path | None, inverse: bool, request: Request) -> None:
    """Apply the transformations of a document, and write and print the results.

    Args:
        theta: the document.
        points: the points to move, if any.
        inverse: whether to apply the inverse transformations.
        request: the files to write.
    """
    _check_usage(theta, points, request)
    import numpy as np

    from cpabmm_core.pointsets import POINT_SUFFIXES, read_points, read_transformations

    document = read_transformations(read_input(theta, [".json"]))
    places = read_points(read_input(points, POINT_SUFFIXES)) if points else np.empty((0, 2))
    inputs = [theta, points, request.image]
    files = output_files(request, document.names, inputs, POINT_SUFFIXES)
    pictures = read_pictures(request, files)
    moved = document.moved_points(places, inverse=inverse)
    writes = plan_pictures(
        pictures,
        files,
        document.space(),
        document.thetas(inverse=inverse),
        [places] * len(moved.names),
        list(moved.points),
    )
    if points:
        for path in files.outputs:
            data = moved.content(path.suffix.lower())
            writes.append((path, partial(Path.write_bytes, data=data)))
    write_all(writes, force=request.force)
    if request.json:
        terminal.result(as_json({**moved.document(), **files.paths()}))
    elif points and not files.outputs:
        terminal.result(moved.content(".txt").decode().removesuffix("\n"))
        for path in files.plots:
            terminal.say(str(path))
    else:
        for path in (*files.outputs, *files.plots):
            terminal.result(str(path))


def _check_usage(theta: Path, points: Path | None, request: Request) -> None:
    if points and request.image:
        raise typer.BadParameter("give POINTS or an image, not both", param_hint="--image")
    if not points and not request.image and not request.plot:
        raise typer.BadParameter("give POINTS or --image", param_hint="--apply")
    if not points and not request.image and request.output:
        raise typer.BadParameter("needs POINTS or --image", param_hint="-o")
    if is_stdin(theta) and is_stdin(points):
        raise typer.BadParameter("only one of THETA and POINTS can be -", param_hint="--apply")
