"""The solvers of a fit, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from cpabmm_core.cpab import adam, gauss_newton
from cpabmm_core.cpab.problem import Problem, Solution
from cpabmm_core.errors import ConfigError

SolverName = Literal["gauss-newton", "adam"]


@dataclass(frozen=True)
class Solver:
    """A solver and the options of `fit` that it supports on top of the common ones."""

    solve: Callable[[Problem, int | None], Solution]
    """Solves a problem within a number of iterations; None takes the solver's default."""
    options: frozenset[str] = frozenset()
    """Names of the additional options."""


SOLVERS: Mapping[str, Solver] = {
    "gauss-newton": Solver(
        gauss_newton.solve, frozenset({"huber", "noise", "length_scale", "differentiable"})
    ),
    "adam": Solver(adam.solve, frozenset({"together"})),
}
"""Every solver by the name that `fit` takes."""


def find_solver(name: str, options: Mapping[str, bool]) -> Solver:
    """Return the solver of that name.

    Args:
        name: a key of `SOLVERS`.
        options: whether each additional option is set.

    Raises:
        ConfigError: the name is unknown, or the solver does not support an option that is set.
    """
    if name not in SOLVERS:
        raise ConfigError(f"solver: expected one of {', '.join(SOLVERS)}, got {name!r}")
    for option, is_set in options.items():
        if is_set and option not in SOLVERS[name].options:
            others = [other for other, entry in SOLVERS.items() if option in entry.options]
            raise ConfigError(
                f"{option}: not supported by the solver {name}",
                f"leave it out or use {' or '.join(others)}",
            )
    return SOLVERS[name]
