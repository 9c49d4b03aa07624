"""The document of fitted transformations: theta together with the tessellation it belongs to."""

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from cpabmm_core.cpab import Tessellation, VelocitySpace
from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_files import NumberFile
from cpabmm_core.pointsets.pair_formats import check_names

MAX_SQUARES = 16
"""Squares along a side: the time to build a space grows with the third power of their number."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Squares = Annotated[int, Field(ge=1, le=MAX_SQUARES)]


class _Part(BaseModel):
    # Later versions of this schema may say more; what is known must be right.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Residual(_Part):
    """Distances between moved source points and targets, over the pairs that count."""

    mean: Distance
    max: Distance


class Transformation(_Part):
    """One transformation, and how its fit went if it was fitted."""

    name: str
    theta: Annotated[list[Finite], Field(min_length=1)]
    """(dim,) coordinates in the basis of the document's space."""
    residual: Residual | None = None
    iterations: Annotated[int, Field(ge=0)] | None = None
    converged: bool | None = None


class Transformations(_Part):
    """Transformations of one velocity space.

    Example:
        >>> still = Transformation(name="still", theta=[0.0] * 10)
        >>> document = Transformations(
        ...     cells=(1, 1), boundary="free", volume_preserving=False, transformations=[still]
        ... )
        >>> document.to_json()[:25]
        '{"schema":1,"cells":[1,1]'
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    cells: tuple[Squares, Squares]
    """Squares along x and along y."""
    boundary: Literal["free", "zero"]
    volume_preserving: bool
    solver: str | None = None
    """What fitted them, if they were fitted; so with the next."""
    huber: Distance | None = None
    transformations: Annotated[list[Transformation], Field(min_length=1)]

    def space(self) -> VelocitySpace:
        """The space that the thetas are coordinates in."""
        return VelocitySpace(Tessellation(*self.cells), self.boundary, self.volume_preserving)

    def to_json(self) -> str:
        """The document as a line of JSON that `read_transformations` reads back to an equal one."""
        return self.model_dump_json(by_alias=True)

    def thetas(self) -> Tensor:  # (N, dim) float64
        """The coordinates of all transformations."""
        return torch.tensor([t.theta for t in self.transformations], dtype=torch.float64)


def read_transformations(file: NumberFile) -> Transformations:
    """Read a JSON document of transformations.

    Raises:
        DataError: not JSON, another schema, a key that is missing or wrong, a number that is not
            finite, a theta whose length is not the dimension of the space, or a name given twice.
    """
    value = file.json()
    if not isinstance(value, dict) or "transformations" not in value:
        raise DataError(
            f"{file.name}: no document of transformations; give what `cpabmm fit-cpab` wrote"
        )
    if value.get("schema") != 1:
        raise DataError(
            f"{file.name}: schema is {value.get('schema')!r}, this version reads 1; "
            "fit again, or update cpabmm"
        )
    try:
        document = Transformations.model_validate_json(file.text())
    except ValidationError as error:
        raise DataError(f"{file.name}: {_first_problem(error)}; fit again") from None
    check_names(file.name, [t.name for t in document.transformations])
    dim = document.space().dim
    for transformation in document.transformations:
        if len(transformation.theta) != dim:
            nx, ny = document.cells
            raise DataError(
                f"{file.name}: theta of {transformation.name!r} has {len(transformation.theta)} "
                f"numbers, but {nx} x {ny} cells with these constraints have {dim}; fit again"
            )
    return document


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    got = problem["input"]
    told = f", got {got!r}" if isinstance(got, str | int | float | bool | None) else ""
    return f"{key}: {problem['msg']}{told}"
