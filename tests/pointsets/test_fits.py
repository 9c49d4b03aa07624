import numpy as np
import pytest
import torch

from cpabmm_core.cpab import Tessellation, VelocitySpace, fit, transform
from cpabmm_core.errors import ConfigError
from cpabmm_core.pointsets import NumberFile, PointPairs, fit_pairs, read_transformations

SPACE = VelocitySpace(Tessellation(3, 2), "zero", volume_preserving=True)
SOURCE = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.6]])
TARGET = SOURCE + np.array([[0.02, 0.0], [-0.02, 0.01], [0.0, 0.03]])


def sets() -> list[PointPairs]:
    """Return two sets of different sizes; the last pair of the second does not count."""
    whole = PointPairs("whole", SOURCE, TARGET, np.ones(3))
    missing = np.vstack([TARGET[:1], [[np.nan, 0.5]]])
    return [whole, PointPairs("part", SOURCE[:2], missing, np.array([1.0, 0.0]))]


def test_the_document_reproduces_the_residuals() -> None:
    document = fit_pairs(SPACE, sets())
    moved = document.move(SOURCE)
    whole, part = document.transformations
    assert whole.residual is not None
    assert part.residual is not None
    distances = np.linalg.norm(moved[0] - TARGET, axis=1)
    assert whole.residual.mean == pytest.approx(distances.mean(), abs=1e-12)
    assert whole.residual.max == pytest.approx(distances.max(), abs=1e-12)
    assert part.residual.max == pytest.approx(np.linalg.norm(moved[1, 0] - TARGET[0]), abs=1e-12)


def test_the_document_describes_the_space_and_the_fit() -> None:
    document = fit_pairs(SPACE, sets(), solver="gauss-newton", huber=0.1)
    assert (document.cells, document.boundary, document.volume_preserving) == ((3, 2), "zero", True)
    assert (document.solver, document.huber, document.names) == (
        "gauss-newton",
        0.1,
        ["whole", "part"],
    )
    again = read_transformations(NumberFile("t", ".json", document.to_json().encode()))
    assert again == document


def test_theta_is_that_of_the_library() -> None:
    pair = sets()[:1]
    source, target = (torch.from_numpy(points)[None] for points in (SOURCE, TARGET))
    expected = fit(SPACE, source, target)
    document = fit_pairs(SPACE, pair)
    assert torch.equal(document.thetas(), expected.theta)
    assert document.transformations[0].iterations == int(expected.iterations)
    np.testing.assert_array_equal(
        document.move(SOURCE), transform(SPACE, expected.theta, source).numpy()
    )


def test_an_option_of_another_solver_is_refused() -> None:
    with pytest.raises(ConfigError, match="huber: not supported by the solver adam"):
        fit_pairs(SPACE, sets(), solver="adam", huber=0.1)
