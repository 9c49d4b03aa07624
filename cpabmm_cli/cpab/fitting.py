"""The fit of `fit-cpab`."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from cpabmm_cli.console import as_json, terminal
from cpabmm_cli.cpab.files import Outputs, Request, output_files, read_input, write_all
from cpabmm_cli.cpab.pictures import Pictures

if TYPE_CHECKING:
    from cpabmm_core.cpab import FitResult, VelocitySpace
    from cpabmm_core.pointsets.point_pairs import PointPairs
    from cpabmm_core.pointsets.transformations import Transformation, Transformations

NO_WEIGHTS = Path("none")
"""In place of a file: all pairs count alike."""


@dataclass(frozen=True)
class Settings:
    """How to fit."""

    cells: tuple[int, int]
    boundary: Literal["free", "zero"]
    volume_preserving: bool
    solver: Literal["gauss-newton", "adam"]
    weights: Path | None
    huber: float | None


def fit_sets(keypoints: Path, settings: Settings, request: Request) -> None:
    """Fit a transformation to each set of pairs; write and print what is asked for."""
    sets = _read_sets(keypoints, settings.weights)
    inputs = [keypoints, settings.weights, request.image]
    files = output_files(request, [pairs.name for pairs in sets], inputs, [".json"])
    pictures = Pictures(request, files)

    from cpabmm_core.cpab import Tessellation, VelocitySpace  # torch only now: bad files fail first

    tessellation = Tessellation(*settings.cells)
    space = VelocitySpace(tessellation, settings.boundary, settings.volume_preserving)
    if not space.dim:
        raise typer.BadParameter("no motion meets the constraints; take more", param_hint="--cells")
    result = _fit(space, sets, settings)
    document = _document(settings, sets, result)
    shown = [pairs.counting() for pairs in sets]
    sources, targets = [pairs.source for pairs in shown], [pairs.target for pairs in shown]
    writes = pictures.writes(space, result.theta, sources, targets)
    if not request.image:
        text = f"{document.to_json()}\n".encode()
        writes += [(path, partial(Path.write_bytes, data=text)) for path in files.outputs]
    write_all(writes, force=request.force)
    if request.json:
        terminal.result(
            as_json({**document.model_dump(exclude={"schema_version"}), **files.named()})
        )
    else:
        _show(document, files)


def _read_sets(keypoints: Path, weights: Path | None) -> "list[PointPairs]":
    from cpabmm_core.pointsets.pair_formats import PAIR_SUFFIXES
    from cpabmm_core.pointsets.point_pairs import WEIGHT_SUFFIXES, read_point_pairs, read_weights

    file = read_input(keypoints, PAIR_SUFFIXES)
    if weights is None or weights == NO_WEIGHTS:
        return read_point_pairs(file, own_weights=weights is None)
    return read_point_pairs(file, read_weights(read_input(weights, WEIGHT_SUFFIXES)))


def _fit(space: "VelocitySpace", sets: "list[PointPairs]", settings: Settings) -> "FitResult":
    import torch

    from cpabmm_core.cpab import fit
    from cpabmm_core.pointsets.point_pairs import stack_pairs

    source, target, weights = (torch.from_numpy(array) for array in stack_pairs(sets))
    return fit(space, source, target, settings.solver, weights=weights, huber=settings.huber)


def _document(
    settings: Settings, sets: "list[PointPairs]", result: "FitResult"
) -> "Transformations":
    from cpabmm_core.pointsets.transformations import Transformations

    return Transformations(
        cells=settings.cells,
        boundary=settings.boundary,
        volume_preserving=settings.volume_preserving,
        solver=settings.solver,
        huber=settings.huber,
        transformations=[_transformation(i, pairs, result) for i, pairs in enumerate(sets)],
    )


def _transformation(index: int, pairs: "PointPairs", result: "FitResult") -> "Transformation":
    from cpabmm_core.pointsets.transformations import Residual, Transformation

    distances = result.residual[index, : len(pairs.weights)].norm(dim=1)
    counting = distances.numpy()[pairs.weights > 0]
    return Transformation(
        name=pairs.name,
        theta=result.theta[index].tolist(),
        residual=Residual(mean=float(counting.mean()), max=float(counting.max())),
        iterations=int(result.iterations[index]),
        converged=bool(result.converged[index]),
    )


def _show(document: "Transformations", files: Outputs) -> None:
    """Paths on stdout if files were written, with the figures on stderr; else the figures."""
    paths = [*files.outputs, *files.plots]
    tell = terminal.say if paths else terminal.result
    for transformation in document.transformations:
        figures = _figures(transformation)
        if len(document.transformations) > 1:
            tell(f"{transformation.name}  " + ", ".join(figures))
        else:
            tell("theta " + " ".join(f"{value:.9g}" for value in transformation.theta))
            for line in figures:
                tell(line)
    for path in paths:
        terminal.result(str(path))


def _figures(transformation: "Transformation") -> list[str]:
    residual = transformation.residual
    assert residual is not None  # as it was fitted
    state = "converged" if transformation.converged else "not converged"
    return [
        f"residual mean {residual.mean:.3g} max {residual.max:.3g}",
        f"{state} after {transformation.iterations} iterations",
    ]
