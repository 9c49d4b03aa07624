"""``fit-cpab`` without ``--apply``: fit transformations to point pairs."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.cpab.files import Outputs, Request, output_files, read_input, write_all
from cpabmm_cli.cpab.pictures import plan_pictures, read_pictures

if TYPE_CHECKING:
    from cpabmm_core.pointsets import PointPairs, Transformation, Transformations

NO_WEIGHTS = Path("none")
"""Value of `--weights` that gives every pair the weight 1."""


@dataclass(frozen=True)
class Settings:
    """The options of the fit."""

    cells: tuple[int, int]
    boundary: Literal["free", "zero"]
    volume_preserving: bool
    solver: Literal["gauss-newton", "adam"]
    weights: Path | None
    huber: float | None


def fit_sets(keypoints: Path, settings: Settings, request: Request) -> None:
    """Fit a transformation to each set of pairs, and write and print the results."""
    sets = _read_sets(keypoints, settings.weights)
    inputs = [keypoints, settings.weights, request.image]
    files = output_files(request, [pairs.name for pairs in sets], inputs, [".json"])
    pictures = read_pictures(request, files)

    # torch is slow to import, so the files are checked first.
    from cpabmm_core.cpab import Tessellation, VelocitySpace
    from cpabmm_core.pointsets import fit_pairs

    tessellation = Tessellation(*settings.cells)
    space = VelocitySpace(tessellation, settings.boundary, settings.volume_preserving)
    if not space.dim:
        raise typer.BadParameter("no motion meets the constraints; use more", param_hint="--cells")
    with terminal.counter("fit") as count:
        document = fit_pairs(
            space, sets, solver=settings.solver, huber=settings.huber, progress=count
        )
    shown = [pairs.counting() for pairs in sets]
    sources, targets = [pairs.source for pairs in shown], [pairs.target for pairs in shown]
    writes = plan_pictures(pictures, files, space, document.thetas(), sources, targets)
    if not request.image:
        data = f"{document.to_json()}\n".encode()
        writes += [(path, partial(Path.write_bytes, data=data)) for path in files.outputs]
    write_all(writes, force=request.force)
    if request.json:
        answer = document.model_dump(exclude={"schema_version"})
        terminal.result(as_json({**answer, **files.paths()}))
    else:
        _print_summary(document, files)


def _read_sets(keypoints: Path, weights: Path | None) -> "list[PointPairs]":
    from cpabmm_core.pointsets import (
        PAIR_SUFFIXES,
        WEIGHT_SUFFIXES,
        read_point_pairs,
        read_weights,
    )

    file = read_input(keypoints, PAIR_SUFFIXES)
    if weights is None or weights == NO_WEIGHTS:
        return read_point_pairs(file, own_weights=weights is None)
    return read_point_pairs(file, read_weights(read_input(weights, WEIGHT_SUFFIXES)))


def _print_summary(document: "Transformations", files: Outputs) -> None:
    """Print the summary to stdout, or to stderr if stdout receives the paths of written files."""
    paths = [*files.outputs, *files.plots]
    say = terminal.say if paths else terminal.result
    for transformation in document.transformations:
        lines = _summary(transformation)
        if len(document.transformations) > 1:
            say(f"{transformation.name}  " + ", ".join(lines))
        else:
            say("theta " + " ".join(f"{value:.9g}" for value in transformation.theta))
            for line in lines:
                say(line)
    for path in paths:
        terminal.result(str(path))


def _summary(transformation: "Transformation") -> list[str]:
    residual = transformation.residual
    assert residual is not None  # every fit has one
    state = "converged" if transformation.converged else "not converged"
    noise = "" if transformation.noise is None else f", noise {transformation.noise:.3g}"
    return [
        f"residual mean {residual.mean:.3g} max {residual.max:.3g}{noise}",
        f"{state} after {transformation.iterations} iterations",
    ]
