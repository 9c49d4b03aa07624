"""JSON documents of transformations: each theta with the velocity space it belongs to."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from cpabmm_core.arrays import Array
from cpabmm_core.cpab.space import VelocitySpace
from cpabmm_core.cpab.tessellation import Tessellation
from cpabmm_core.cpab.transformation import transform
from cpabmm_core.errors import DataError, Remedy
from cpabmm_core.files.lines import quote
from cpabmm_core.pointsets.moved_points import MovedPoints
from cpabmm_core.pointsets.number_files import NumberFile, open_number_file
from cpabmm_core.pointsets.pair_formats import check_names

MAX_SQUARES = 16
"""Maximum number of squares along a side; the time to build a space grows with its cube."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Squares = Annotated[int, Field(ge=1, le=MAX_SQUARES)]


class _Part(BaseModel):
    # Later versions of the schema may add keys; the keys of this version must be valid.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Residual(_Part):
    """Distances between moved source points and targets, over the pairs that count.

    Example:
        >>> Residual(mean=0.001, max=0.002).max
        0.002
    """

    mean: Distance
    """Mean distance in sides of the unit square."""
    max: Distance
    """Largest distance in sides of the unit square."""


class Transformation(_Part):
    """One transformation, with the outcome of its fit if it has one.

    Example:
        >>> Transformation(name="identity", theta=[0.0] * 58).converged is None
        True
    """

    name: str
    """The name of the set of pairs."""
    theta: Annotated[list[Finite], Field(min_length=1)]
    """(dim,) coordinates in the basis of the document's space."""
    residual: Residual | None = None
    """Residuals of the fit; None without a fit."""
    noise: Distance | None = None
    """Effective noise of the fit in sides of the unit square; None without a prior or a fit."""
    iterations: Annotated[int, Field(ge=0)] | None = None
    """Iterations of the fit; None without a fit."""
    converged: bool | None = None
    """Whether the fit converged; None without a fit."""


class Transformations(_Part):
    """A document of transformations of one velocity space.

    Example:
        >>> identity = Transformation(name="identity", theta=[0.0] * 10)
        >>> document = Transformations(
        ...     cells=(1, 1), boundary="free", volume_preserving=False, transformations=[identity]
        ... )
        >>> document.to_json()[:25]
        '{"schema":1,"cells":[1,1]'
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    """Version of the file format."""
    cells: tuple[Squares, Squares]
    """Squares along x and along y."""
    boundary: Literal["free", "zero"]
    """The boundary of the space."""
    volume_preserving: bool
    """Whether the fields of the space are divergence-free."""
    solver: str | None = None
    """The solver of the fits; None without a fit."""
    huber: Distance | None = None
    """The Huber length of the fits; None if there was none."""
    transformations: Annotated[list[Transformation], Field(min_length=1)]
    """The transformations."""

    @property
    def names(self) -> list[str]:
        """The names of the transformations."""
        return [transformation.name for transformation in self.transformations]

    def space(self) -> VelocitySpace:
        """Return the space of the transformations."""
        return VelocitySpace(Tessellation(*self.cells), self.boundary, self.volume_preserving)

    def thetas(self, *, inverse: bool = False) -> Tensor:  # (N, dim) float64
        """Return the coordinates of all transformations, or of their inverses."""
        thetas = torch.tensor([t.theta for t in self.transformations], dtype=torch.float64)
        return -thetas if inverse else thetas

    def move(
        self,
        points: Array,  # (P, 2)
        *,
        inverse: bool = False,
    ) -> Array:  # (N, P, 2)
        """Move points by each transformation.

        Convention:
            (x, y) in the unit square [0, 1]^2, x to the right and y downwards.

        Args:
            points: the points to move.
            inverse: apply the inverse transformations.

        Returns:
            The moved points of each transformation.
        """
        thetas = self.thetas(inverse=inverse)
        batch = torch.from_numpy(points).expand(len(thetas), -1, -1)
        return transform(self.space(), thetas, batch).numpy()

    def moved_points(self, points: Array, *, inverse: bool = False) -> MovedPoints:
        """Move points by each transformation, as `move` does, for a file of moved points."""
        return MovedPoints(self.names, self.move(points, inverse=inverse), inverse)

    def to_json(self) -> str:
        """Return the document as one line of JSON, which `read_transformations` reads back."""
        return self.model_dump_json(by_alias=True)


def read_transformations(file: NumberFile | str | Path) -> Transformations:
    """Read a JSON document of transformations.

    Args:
        file: a path, or the content of a file.

    Returns:
        The document.

    Raises:
        DataError: the file is not JSON, has another schema, a missing or wrong key, a number that
            is not finite, a theta of the wrong length, or a repeated name.

    Example:
        >>> from cpabmm_core.pointsets import NumberFile
        >>> text = (
        ...     b'{"schema": 1, "cells": [1, 1], "boundary": "free", "volume_preserving": false,'
        ...     b'"transformations": [{"name": "a", "theta": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}]}'
        ... )
        >>> read_transformations(NumberFile("theta.json", ".json", text)).names
        ['a']
    """
    file = open_number_file(file, [".json"])
    value = file.json()
    if not isinstance(value, dict) or "transformations" not in value:
        raise DataError(
            f"{file.name}: not a document of transformations",
            "give a file that `Transformations.to_json` wrote",
            remedy=Remedy.FIT_TRANSFORMATIONS,
        )
    if value.get("schema") != 1:
        raise DataError(
            f"{file.name}: schema is {quote(value.get('schema'))}, this version reads 1",
            "fit again, or update cpabmm",
        )
    try:
        document = Transformations.model_validate_json(file.text())
    except ValidationError as error:
        raise DataError(f"{file.name}: {_first_problem(error)}", "fit again") from None
    check_names(file.name, document.names)
    _check_lengths(file.name, document)
    return document


def _check_lengths(file: str, document: Transformations) -> None:
    dim = document.space().dim
    for transformation in document.transformations:
        if len(transformation.theta) != dim:
            nx, ny = document.cells
            raise DataError(
                f"{file}: theta of {transformation.name!r} has {len(transformation.theta)} "
                f"numbers, but {nx} x {ny} cells with these constraints have {dim}",
                "fit again",
            )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    got = problem["input"]
    value = f", got {quote(got)}" if isinstance(got, str | int | float | bool | None) else ""
    return f"{key}: {problem['msg']}{value}"
