"""``cpabmm fit-cpab``: fit CPAB transformations to point pairs, or apply fitted ones."""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from cpabmm_cli.cpab.applying import apply_document
from cpabmm_cli.cpab.files import Request
from cpabmm_cli.cpab.fitting import Settings, fit_sets
from cpabmm_cli.options import ForceOption, JsonOption

_CELLS = re.compile(r"(\d{1,4})(?:x(\d{1,4}))?")
_MOST_CELLS = 16
_FIT_ONLY = ("cells", "boundary", "volume_preserving", "solver", "weights", "huber")


def _check_cells(cells: str) -> str:
    match = _CELLS.fullmatch(cells)
    if not match or not all(1 <= int(n) <= _MOST_CELLS for n in match.groups() if n is not None):
        raise typer.BadParameter(
            f"expected N or NXxNY squares from 1 to {_MOST_CELLS}, such as 4 or 6x4, got {cells!r}"
        )
    return cells


def _parse_cells(cells: str) -> tuple[int, int]:
    nx, _, ny = cells.partition("x")
    return int(nx), int(ny or nx)


def _check_positive(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"expected a length above 0, got {value:g}")
    return value


def fit_cpab(
    ctx: typer.Context,
    keypoints: Annotated[
        Path | None,
        typer.Argument(
            metavar="KEYPOINTS",
            help="File of point pairs in the unit square: .json, .csv, .npz, or - for stdin. With "
            "--apply: file of points, which may also be .txt.",
            show_default=False,
        ),
    ] = None,
    *,
    cells: Annotated[
        str,
        typer.Option(
            metavar="N|NXxNY",
            help=f"Number of squares along each side of the tessellation, 1 to {_MOST_CELLS}.",
            callback=_check_cells,
        ),
    ] = "4",
    boundary: Annotated[
        Literal["free", "zero"],
        typer.Option(help="free: allow motion across the border of the square. zero: forbid it."),
    ] = "free",
    volume_preserving: Annotated[
        bool, typer.Option("--volume-preserving", help="Allow only motion that preserves areas.")
    ] = False,
    solver: Annotated[
        Literal["gauss-newton", "adam"],
        typer.Option(help="gauss-newton: fast and accurate. adam: the paper's gradient descent."),
    ] = "gauss-newton",
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|none",
            help="File with one weight per pair, if KEYPOINTS has none: .txt, .csv, .json or .npy. "
            "none: ignore the weights in KEYPOINTS.",
        ),
    ] = None,
    huber: Annotated[
        float | None,
        typer.Option(
            metavar="LENGTH",
            help="Treat pairs with a longer residual as outliers, which weigh less. The unit is "
            "the side of the square.",
            callback=_check_positive,
        ),
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option(
            "--apply",
            metavar="THETA",
            help="Instead of fitting, apply the transformations in a file that -o or --json wrote.",
        ),
    ] = None,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="With --apply: apply the inverse transformations.")
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="IMG", help="Image to warp. Transparency is kept."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File to write. With --image: the warped image. With --apply: the moved points "
            "(.json, .csv, .npz or .txt). Otherwise: the transformations (.json).",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG",
            help="Image to write: a plot of the points, the deformed grid and the velocity field.",
        ),
    ] = None,
    json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Fit CPAB transformations that map source points to target points, or apply fitted ones.

    KEYPOINTS may contain several sets of pairs. Each set gets its own transformation, image and
    plot; the name of the set is inserted before the suffix of these files.
    """
    request = Request(image, output, plot, json=json, force=force)
    if image and not (output or plot):
        raise typer.BadParameter("needs -o OUT or --plot PNG", param_hint="--image")
    if apply:
        _refuse_fit_options(ctx)
        apply_document(apply, keypoints, inverse, request)
        return
    if inverse:
        raise typer.BadParameter("needs --apply THETA", param_hint="--inverse")
    if keypoints is None:
        raise typer.BadParameter("give a file of point pairs, or -", param_hint="KEYPOINTS")
    if huber is not None and solver == "adam":
        raise typer.BadParameter("needs --solver gauss-newton", param_hint="--huber")
    settings = Settings(_parse_cells(cells), boundary, volume_preserving, solver, weights, huber)
    fit_sets(keypoints, settings, request)


def _refuse_fit_options(ctx: typer.Context) -> None:
    for name in _FIT_ONLY:
        origin = ctx.get_parameter_source(name)
        if origin is not None and origin.name == "COMMANDLINE":
            raise typer.BadParameter(
                "applies to fits only; with --apply, THETA defines it",
                param_hint="--" + name.replace("_", "-"),
            )
