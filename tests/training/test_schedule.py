import pytest

from cpabmm_core.config import CandidateDropoutConfig
from cpabmm_core.training.schedule import (
    background_dropout,
    candidate_dropout,
    learning_rate_factor,
)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 0.1), (2, 0.16), (5, 0.25), (6.5, 0.295), (7, 0.3), (10, 0.3), (34.9, 0.3), (35, 0.0)],
)
def test_candidate_dropout_of_vox(epoch: float, expected: float) -> None:
    """TPSMM: epoch / 10 * 0.3 + 0.1, at most 0.3, reached after 6.7 epochs."""
    config = CandidateDropoutConfig(start=0.1, maximum=0.3, ramp_epochs=10, until_epoch=35)
    assert candidate_dropout(config, epoch) == pytest.approx(expected)


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.0), (5, 0.35), (10, 0.7), (20, 0.7)])
def test_candidate_dropout_of_taichi(epoch: float, expected: float) -> None:
    config = CandidateDropoutConfig(start=0.0, maximum=0.7, ramp_epochs=10, until_epoch=35)
    assert candidate_dropout(config, epoch) == pytest.approx(expected)


def test_candidate_dropout_without_a_ramp_is_at_its_maximum_at_once() -> None:
    config = CandidateDropoutConfig(start=0.1, maximum=0.3, ramp_epochs=0, until_epoch=1)
    assert candidate_dropout(config, 0) == 0.3


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.4), (2.4, 0.4), (2.5, 0.0), (3, 0.0)])
def test_the_background_is_dropped_as_long_as_the_other_candidates(
    epoch: float, expected: float
) -> None:
    config = CandidateDropoutConfig(background=0.4, maximum=0.1, ramp_epochs=5, until_epoch=2.5)
    assert background_dropout(config, epoch) == expected


@pytest.mark.parametrize(("epoch", "expected"), [(0, 1.0), (69.9, 1.0), (70, 0.1), (90, 0.01)])
def test_learning_rate_of_the_paper(epoch: float, expected: float) -> None:
    assert learning_rate_factor((70, 90), 0.1, epoch) == pytest.approx(expected)
