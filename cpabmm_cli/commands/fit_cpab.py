"""``cpabmm fit-cpab``: a CPAB transformation from pairs of points."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.options import ForceOption, JsonOption

if TYPE_CHECKING:
    import numpy as np

    from cpabmm_core.cpab import FitResult


def fit_cpab(
    keypoints: Annotated[
        Path,
        typer.Argument(
            metavar="KEYPOINTS",
            help="Pairs of points in the unit square: .json, .csv or .npz (see docs/cli.md).",
        ),
    ],
    *,
    cells: Annotated[int, typer.Option(min=1, max=16, help="Squares per side.")] = 4,
    boundary: Annotated[
        Literal["free", "zero"], typer.Option(help="zero: no motion across the border.")
    ] = "free",
    volume_preserving: Annotated[
        bool, typer.Option("--volume-preserving", help="Keep every area as large as it is.")
    ] = False,
    solver: Annotated[
        Literal["gauss-newton", "adam"], typer.Option(help="adam: the paper's gradient descent.")
    ] = "gauss-newton",
    image: Annotated[
        Path | None, typer.Option("--image", metavar="IMG", help="A picture to warp.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File to write: with --image the warped picture, else the JSON document.",
        ),
    ] = None,
    grid: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Write a picture of the grid and the points, before and after."
        ),
    ] = None,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Fit a CPAB transformation that maps the source points to the target points."""
    import torch

    from cpabmm_core.cpab import Tessellation, VelocitySpace, fit
    from cpabmm_core.cpab.image import warp_image
    from cpabmm_core.data.point_pairs import read_point_pairs
    from cpabmm_core.media.image import read_image
    from cpabmm_core.visualize import draw_transformation

    if image and not (output or grid):
        raise typer.BadParameter("needs -o OUT or --grid PNG to write to", param_hint="--image")
    if grid and grid == output:
        raise typer.BadParameter("is -o OUT too; give it another name", param_hint="--grid")
    _check_outputs(keypoints, image, output, grid, force=force)
    pairs = read_point_pairs(keypoints)
    picture = read_image(image) if image else None
    space = VelocitySpace(Tessellation(cells, cells), boundary, volume_preserving)
    source, target = (torch.from_numpy(points)[None] for points in pairs)
    result = fit(space, source, target, solver)
    document = {
        "cells": cells,
        "boundary": boundary,
        "volume_preserving": volume_preserving,
        "solver": solver,
        **_figures(result),
        "output": str(output) if output else None,
        "grid": str(grid) if grid else None,
    }
    if output and picture is not None:
        _write_picture(output, warp_image(space, result.theta, picture), force=force)
    elif output:
        _write_text(output, as_json(document), force=force)
    if grid:
        _write_picture(grid, draw_transformation(space, result.theta, *pairs, picture), force=force)
    if json:
        terminal.result(as_json(document))
    else:
        _show(document, [path for path in (output, grid) if path])


def _check_outputs(
    keypoints: Path, image: Path | None, output: Path | None, grid: Path | None, *, force: bool
) -> None:
    from cpabmm_core.media.image import check_image_suffix
    from cpabmm_core.media.output import check_output

    inputs = [keypoints, image] if image else [keypoints]
    for path in (output, grid):
        if path:
            check_output(path, force=force, inputs=inputs)
            if image or path is grid:
                check_image_suffix(path)


def _figures(result: "FitResult") -> dict[str, Any]:
    distances = result.residual[0].norm(dim=-1)
    return {
        "theta": result.theta[0].tolist(),
        "residual": {"mean": distances.mean().item(), "max": distances.max().item()},
        "iterations": result.iterations,
        "converged": bool(result.converged[0]),
    }


def _write_picture(path: Path, picture: "np.ndarray", *, force: bool) -> None:
    from cpabmm_core.media.image import write_image
    from cpabmm_core.media.output import atomic_path

    with atomic_path(path, force=force) as temporary:
        write_image(temporary, picture)


def _write_text(path: Path, text: str, *, force: bool) -> None:
    from cpabmm_core.media.output import atomic_path

    with atomic_path(path, force=force) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _show(document: dict[str, Any], written: list[Path]) -> None:
    """Paths on stdout if files were written, with the figures on stderr; else the figures."""
    residual = document["residual"]
    state = "converged" if document["converged"] else "not converged"
    tell = terminal.say if written else terminal.result
    tell("theta " + " ".join(f"{value:.9g}" for value in document["theta"]))
    tell(f"residual mean {residual['mean']:.3g} max {residual['max']:.3g}")
    tell(f"{state} after {document['iterations']} iterations")
    for path in written:
        terminal.result(str(path))
