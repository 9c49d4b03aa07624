"""The solvers by name."""

from typing import get_args

import pytest

from cpabmm_core.cpab import SOLVERS
from cpabmm_core.cpab.solvers import SolverName, find_solver
from cpabmm_core.errors import ConfigError


def test_the_type_of_names_lists_the_table() -> None:
    assert get_args(SolverName) == tuple(SOLVERS)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_is_found_with_its_options(name: str) -> None:
    options = dict.fromkeys(SOLVERS[name].options, True)
    assert find_solver(name, options) is SOLVERS[name]


def test_an_unknown_name_lists_the_table() -> None:
    with pytest.raises(ConfigError) as caught:
        find_solver("newton", {})
    assert str(caught.value) == "solver: expected one of gauss-newton, adam, got 'newton'"


@pytest.mark.parametrize(
    ("name", "option", "other"),
    [
        ("adam", "huber", "gauss-newton"),
        ("adam", "differentiable", "gauss-newton"),
        ("gauss-newton", "together", "adam"),
    ],
)
def test_an_unsupported_option_names_the_solver_that_has_it(
    name: str, option: str, other: str
) -> None:
    find_solver(name, {option: False})
    with pytest.raises(ConfigError) as caught:
        find_solver(name, {option: True})
    assert str(caught.value) == (
        f"{option}: not supported by the solver {name}; leave it out or use {other}"
    )
