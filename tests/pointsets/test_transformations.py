import json
from typing import Any

import pytest
import torch

from cpabmm_core.errors import DataError
from cpabmm_core.pointsets.number_files import NumberFile
from cpabmm_core.pointsets.transformations import (
    Residual,
    Transformation,
    Transformations,
    read_transformations,
)

DIM = 12  # of 2 x 1 cells with a free boundary
THETA = [0.1 * k - 1 / 3 for k in range(DIM)]


def plain(**changes: object) -> dict[str, Any]:
    """Return a valid document with some keys changed."""
    return {
        "schema": 1,
        "cells": [2, 1],
        "boundary": "free",
        "volume_preserving": False,
        "transformations": [{"name": "a", "theta": THETA}],
        **changes,
    }


def file(value: object) -> NumberFile:
    return NumberFile("t.json", ".json", json.dumps(value).encode())


def test_a_document_round_trips() -> None:
    fitted = Transformation(
        name="wave",
        theta=THETA,
        residual=Residual(mean=1e-3, max=2e-3),
        iterations=4,
        converged=True,
    )
    document = Transformations(
        cells=(2, 1),
        boundary="free",
        volume_preserving=False,
        solver="adam",
        huber=0.1,
        transformations=[fitted, Transformation(name="other", theta=THETA[::-1])],
    )
    text = document.to_json()
    assert "\n" not in text
    assert json.loads(text)["schema"] == 1
    again = read_transformations(NumberFile("t.json", ".json", text.encode()))
    assert again == document
    expected = torch.tensor([THETA, THETA[::-1]], dtype=torch.float64)
    assert torch.equal(again.thetas(), expected)


def test_the_document_defines_its_space() -> None:
    space = read_transformations(file(plain())).space()
    assert (space.tessellation.nx, space.tessellation.ny) == (2, 1)
    assert (space.boundary, space.volume_preserving, space.dim) == ("free", False, DIM)


def test_results_of_a_fit_are_optional_and_unknown_keys_are_ignored() -> None:
    document = read_transformations(file(plain(outputs=["a.png"], note="mine")))
    assert document.transformations[0].residual is None
    assert document.solver is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema is 2, this version reads 1"),
        ({"schema": None}, "schema is None"),
        ({"cells": [2]}, "cells.1: Field required"),
        ({"cells": 2}, "cells: "),
        ({"cells": [2, 1.5]}, "cells.1: "),
        ({"cells": [0, 1]}, "cells.0: "),
        ({"cells": [1000, 1000]}, "cells.0: "),
        ({"cells": [2, 2]}, "theta of 'a' has 12 numbers, but 2 x 2 cells"),
        ({"boundary": "zero"}, "theta of 'a' has 12 numbers"),
        ({"boundary": "open"}, "boundary: "),
        ({"volume_preserving": "no"}, "volume_preserving: "),
        ({"transformations": []}, "transformations: "),
        ({"transformations": [{"name": "a", "theta": THETA[1:]}]}, "theta of 'a' has 11 numbers"),
        ({"transformations": [{"theta": THETA}]}, "transformations.0.name: "),
        ({"transformations": [{"name": "a", "theta": [None] * DIM}]}, "theta.0: "),
        (
            {"transformations": [{"name": "a", "theta": [*THETA[1:], float("nan")]}]},
            "transformations.0.theta.11: Input should be a finite number, got nan",
        ),
        (
            {"transformations": [{"name": "a", "theta": [*THETA[1:], float("inf")]}]},
            "transformations.0.theta.11: ",
        ),
        ({"transformations": [{"name": "a", "theta": THETA}] * 2}, "two sets are called 'a'"),
        ({"transformations": [{"name": "a\tb", "theta": THETA}]}, "cannot name a set"),
    ],
)
def test_a_wrong_document_is_one_line_that_names_it(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_transformations(file(plain(**changes)))
    message = str(caught.value)
    assert message.startswith("t.json: ")
    assert words in message
    assert ";" in message
    assert "\n" not in message


@pytest.mark.parametrize("value", [[], {}, {"schema": 1, "source": [[0, 0]]}, "theta"])
def test_another_document_is_refused(value: object) -> None:
    with pytest.raises(DataError, match=r"not a document of transformations; give a file that"):
        read_transformations(file(value))
