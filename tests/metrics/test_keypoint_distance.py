import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import average_keypoint_distance
from cpabmm_core.metrics.keypoint_distance import KeypointSums

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
PRINTED = json.loads((GOLDEN / "metrics.json").read_text())
DETECTIONS = dict(np.load(GOLDEN / "metrics.npz"))
NAN = math.nan


def keypoints(*frames: list[list[float]]) -> NDArray[np.float64]:
    return np.array(frames, dtype=np.float64)


def test_body_agrees_with_the_field() -> None:
    real, generated = (
        np.where(DETECTIONS[name] == -1, NAN, DETECTIONS[name]) for name in ("body_gt", "body_pred")
    )
    ours = average_keypoint_distance(real, generated)
    assert ours.akd == pytest.approx(PRINTED["body_akd"], abs=1e-12)
    assert ours.mkr == pytest.approx(PRINTED["body_mkr"], abs=1e-12)


def test_the_fields_own_files_agree_as_they_are() -> None:
    """With -1, -1 for a missing joint, not turned into NaN."""
    assert (DETECTIONS["body_gt"] == -1).any()
    ours = average_keypoint_distance(DETECTIONS["body_gt"], DETECTIONS["body_pred"])
    assert ours.akd == pytest.approx(PRINTED["body_akd"], abs=1e-12)
    assert ours.mkr == pytest.approx(PRINTED["body_mkr"], abs=1e-12)


def test_one_coordinate_of_minus_one_is_a_place() -> None:
    real = keypoints([[-1, 4], [7, -1], [-1, -1]])
    generated = keypoints([[0, 4], [7, 1], [-1, -1]])
    ours = average_keypoint_distance(real, generated)
    assert (ours.akd, ours.mkr) == ((1 + 0 + 0 + 2) / 4, 0)


FORMS: dict[str, Callable[[NDArray[np.float64]], ArrayLike]] = {
    "array": lambda values: values,
    "float32 array": lambda values: values.astype(np.float32),
    "lists": lambda values: values.tolist(),
    "tensor": torch.tensor,
    "tensor with gradient": lambda values: 1 * torch.tensor(values, requires_grad=True),
    "bfloat16": lambda values: torch.tensor(values, dtype=torch.bfloat16),
    "list of tensors": lambda values: list(torch.tensor(values, requires_grad=True)),
    "list of arrays": list,
}


@pytest.mark.parametrize("generated_as", FORMS)
@pytest.mark.parametrize("real_as", FORMS)
def test_whoever_holds_the_numbers(real_as: str, generated_as: str) -> None:
    real = keypoints([[10, 20], [3, 4], [-1, -1]], [[NAN, NAN], [1, 2], [5, 6]])
    generated = keypoints([[11, 24], [-1, -1], [1, 1]], [[1, 1], [1, 2], [NAN, NAN]])
    ours = average_keypoint_distance(FORMS[real_as](real), FORMS[generated_as](generated))
    assert ours.akd == ((1 + 4) / 2 + 0) / 2
    assert ours.mkr == (1 / 2 + 1 / 2) / 2


def test_none_in_a_list_is_missing() -> None:
    """As JSON has it, which knows no NaN."""
    generated: Any = [[[1, 2], [None, None]]]
    ours = average_keypoint_distance([[[1, 1], [2, 2]]], generated)
    assert (ours.akd, ours.mkr) == (0.5, 0.5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_on_a_gpu() -> None:
    real = torch.tensor([[[1.0, 1.0]]], device="cuda")
    ours = average_keypoint_distance(real, real + 1)
    assert (ours.akd, ours.mkr) == (1, 0)


def test_face_agrees_with_the_field() -> None:
    ours = average_keypoint_distance(DETECTIONS["face_gt"], DETECTIONS["face_pred"])
    assert ours.akd == pytest.approx(PRINTED["face_akd"], abs=1e-12)
    assert ours.mkr == pytest.approx(2 / 24)  # no face was found in 2 of the 24 frames


def test_each_frame_counts_the_same() -> None:
    real = keypoints([[0, 0], [0, 0]], [[0, 0], [0, 0]])
    generated = keypoints([[1, 3], [NAN, NAN]], [[4, 4], [4, 4]])
    ours = average_keypoint_distance(real, generated)
    assert ours.akd == (2 + 4) / 2
    assert ours.mkr == (0.5 + 0) / 2


def test_keypoints_that_only_the_generated_frame_has_do_not_count() -> None:
    real = keypoints([[NAN, NAN], [1, 1]], [[NAN, NAN], [NAN, NAN]])
    generated = keypoints([[5, 5], [2, 1]], [[5, 5], [5, 5]])
    ours = average_keypoint_distance(real, generated)
    assert (ours.akd, ours.mkr) == (0.5, 0)


def test_nothing_found_in_the_generated_frames() -> None:
    real = keypoints([[1, 1], [2, 2]])
    ours = average_keypoint_distance(real, np.full_like(real, NAN))
    assert math.isnan(ours.akd)
    assert ours.mkr == 1


def test_nothing_found_in_the_real_frames() -> None:
    nothing = np.full((2, 3, 2), NAN)
    with pytest.raises(DataError, match="the real frames have none"):
        average_keypoint_distance(nothing, nothing)


@pytest.mark.parametrize("shape", [(2, 4, 2), (2, 3), (2, 3, 3)])
def test_other_shapes(shape: tuple[int, ...]) -> None:
    for zeros in (np.zeros, torch.zeros):
        with pytest.raises(DataError, match=r"^keypoints: expected \(F, J, 2\) twice, got .*\)$"):
            average_keypoint_distance(np.zeros((2, 3, 2)), zeros(shape))


@pytest.mark.parametrize("wrong", [[[[1, 2], [3]]], [[["left", "right"]]]], ids=["ragged", "words"])
def test_what_is_no_array_is_one_line(wrong: ArrayLike) -> None:
    with pytest.raises(ValueError, match=r"^keypoints: cannot be read .*; give .*lists") as caught:
        average_keypoint_distance(wrong, wrong)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, DataError)


@pytest.mark.parametrize("step", [1, 3, 8, 24])
@pytest.mark.parametrize("kind", ["body", "face"])
def test_in_parts_it_is_that_of_the_whole(kind: str, step: int) -> None:
    real, generated = DETECTIONS[f"{kind}_gt"], DETECTIONS[f"{kind}_pred"]
    sums = KeypointSums()
    for start in range(0, len(real), step):
        sums.add(real[start : start + step], generated[start : start + step])
    tallies = sums.compute().tallies
    whole = average_keypoint_distance(real, generated)
    assert (tallies["akd"].mean, tallies["mkr"].mean) == (whole.akd, whole.mkr)
    assert tallies["akd"].mean == pytest.approx(PRINTED[f"{kind}_akd"], abs=1e-12)


def test_the_frames_in_which_something_was_found_are_counted() -> None:
    sums = KeypointSums()
    sums.add(
        keypoints([[1, 1], [NAN, NAN]], [[1, 1], [2, 2]], [[-1, -1], [NAN, NAN]]),
        keypoints([[1, 1], [NAN, NAN]], [[NAN, NAN], [-1, -1]], [[NAN, NAN], [NAN, 3]]),
    )
    found = sums.compute().found["keypoints"]
    assert (found.real, found.generated) == (2, 1)


def test_a_video_without_a_keypoint_has_no_figure() -> None:
    sums = KeypointSums()
    sums.add(np.full((2, 3, 2), NAN), np.zeros((2, 3, 2)))
    tallies = sums.compute().tallies
    assert (tallies["akd"].mean, tallies["mkr"].mean) == (None, None)


def test_other_numbers_of_keypoints_in_parts() -> None:
    with pytest.raises(DataError, match=r"expected \(F, J, 2\) twice"):
        KeypointSums().add(np.zeros((1, 3, 2)), np.zeros((1, 4, 2)))
