import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import average_euclidean_distance
from cpabmm_core.metrics.identity_distance import IdentitySums

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"


def test_agrees_with_the_scripts_of_the_field() -> None:
    detections = np.load(GOLDEN / "metrics.npz")
    printed = json.loads((GOLDEN / "metrics.json").read_text())["aed"]
    ours = average_euclidean_distance(detections["id_gt"], detections["id_pred"])
    assert ours == pytest.approx(printed, abs=1e-12)


def test_the_distance_is_squared() -> None:
    real = np.zeros((2, 2))
    assert average_euclidean_distance(real, np.array([[3.0, 4.0], [0.0, 1.0]])) == (25 + 1) / 2


def test_tensors_and_lists_are_accepted() -> None:
    real = torch.zeros(2, 2, requires_grad=True)
    for generated in (
        torch.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True) * 1,
        torch.tensor([[3.0, 4.0], [0.0, 1.0]], dtype=torch.bfloat16),
        [[3, 4], [0, 1]],
        [torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0])],
    ):
        assert average_euclidean_distance(real, generated) == 13
        assert average_euclidean_distance(generated, np.zeros((2, 2))) == 13


@pytest.mark.parametrize("shape", [(2, 4), (2,), (2, 3, 1)])
def test_wrong_shapes_are_rejected(shape: tuple[int, ...]) -> None:
    for zeros in (np.zeros, torch.zeros):
        with pytest.raises(DataError, match=r"^embeddings: expected \(F, D\) twice, got") as caught:
            average_euclidean_distance(np.zeros((2, 3)), zeros(shape))
        assert isinstance(caught.value, ValueError)


def test_missing_identities_are_an_error() -> None:
    with pytest.raises(DataError, match="contain NaN or infinity"):
        average_euclidean_distance(np.zeros((1, 2)), np.array([[np.nan, 0.0]]))


@pytest.mark.parametrize("step", [1, 5, 24])
def test_chunks_agree_with_the_whole_video(step: int) -> None:
    detections = np.load(GOLDEN / "metrics.npz")
    real, generated = detections["id_gt"], detections["id_pred"]
    sums = IdentitySums()
    for start in range(0, len(real), step):
        sums.add(real[start : start + step], generated[start : start + step])
    (tally,) = sums.compute().tallies.values()
    assert tally.count == 24
    assert tally.mean == average_euclidean_distance(real, generated)


def test_frames_without_a_subject_do_not_count() -> None:
    nan = [np.nan, np.nan]
    sums = IdentitySums()
    sums.add(np.array([[0, 0], nan, [1, 1], nan]), np.array([[3, 4], [5, 5], nan, [6, 6]]))
    result = sums.compute()
    assert (result.tallies["aed"].total, result.tallies["aed"].count) == (25, 1)
    assert (result.detections["identity"].real, result.detections["identity"].generated) == (2, 3)


def test_a_video_without_common_subjects_has_no_value() -> None:
    sums = IdentitySums()
    sums.add(np.array([[np.nan]]), np.array([[1.0]]))
    assert sums.compute().tallies["aed"].mean is None
