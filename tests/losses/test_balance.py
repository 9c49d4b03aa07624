import math

import pytest
import torch
from torch import Tensor

from cpabmm_core.losses.balance import balance_loss


def maps(*weights: float) -> Tensor:  # (2, K, 4, 4)
    return torch.tensor(weights).view(1, -1, 1, 1).expand(2, -1, 4, 4)


@pytest.mark.parametrize("background", [0.0, 0.6])
def test_equal_use_costs_nothing_for_any_background(background: float) -> None:
    each = (1 - background) / 3
    assert balance_loss(maps(background, each, each, each)).item() == pytest.approx(0, abs=1e-6)


def test_single_used_candidate_costs_the_log_of_their_number() -> None:
    assert balance_loss(maps(0.5, 0.5, 0, 0)).item() == pytest.approx(math.log(3), abs=1e-6)


def test_candidates_may_specialise_in_regions() -> None:
    """Each of two candidates covers half of the frame."""
    halves = torch.zeros(1, 3, 4, 4)
    halves[:, 1, :2], halves[:, 2, 2:] = 1, 1
    assert balance_loss(halves).item() == pytest.approx(0, abs=1e-6)


def test_uneven_use_has_the_closed_form() -> None:
    expected = math.log(2) + 2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)
    assert balance_loss(maps(0.1, 0.6, 0.3)).item() == pytest.approx(expected, abs=1e-6)


def test_gradient_increases_the_least_used_candidate() -> None:
    logits = torch.tensor([0.0, 1.0, -2.0]).view(1, 3, 1, 1).requires_grad_()
    balance_loss(logits.softmax(1)).backward()
    assert logits.grad is not None
    assert logits.grad[0, 2] < 0 < logits.grad[0, 1]


def test_unused_candidates_keep_the_loss_finite() -> None:
    for values in ((1.0, 0.0, 0.0), (0.5, 0.5, 0.0)):
        weights = maps(*values).clone().requires_grad_()
        loss = balance_loss(weights)
        loss.backward()
        assert loss.isfinite()
        assert weights.grad is not None
        assert weights.grad.isfinite().all()
