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
EXPECTED = json.loads((GOLDEN / "metrics.json").read_text())
DETECTIONS = dict(np.load(GOLDEN / "metrics.npz"))
NAN = math.nan


def keypoints(*frames: list[list[float]]) -> NDArray[np.float64]:
    return np.array(frames, dtype=np.float64)


def test_body_keypoints_agree_with_the_scripts_of_the_field() -> None:
    real, generated = (
        np.where(DETECTIONS[name] == -1, NAN, DETECTIONS[name]) for name in ("body_gt", "body_pred")
    )
    ours = average_keypoint_distance(real, generated)
    assert ours.akd == pytest.approx(EXPECTED["body_akd"], abs=1e-12)
    assert ours.mkr == pytest.approx(EXPECTED["body_mkr"], abs=1e-12)


def test_minus_one_marks_missing_keypoints_as_in_the_files_of_the_field() -> None:
    assert (DETECTIONS["body_gt"] == -1).any()
    ours = average_keypoint_distance(DETECTIONS["body_gt"], DETECTIONS["body_pred"])
    assert ours.akd == pytest.approx(EXPECTED["body_akd"], abs=1e-12)
    assert ours.mkr == pytest.approx(EXPECTED["body_mkr"], abs=1e-12)


def test_a_single_coordinate_of_minus_one_is_valid() -> None:
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
def test_arrays_tensors_and_lists_give_equal_values(real_as: str, generated_as: str) -> None:
    real = keypoints([[10, 20], [3, 4], [-1, -1]], [[NAN, NAN], [1, 2], [5, 6]])
    generated = keypoints([[11, 24], [-1, -1], [1, 1]], [[1, 1], [1, 2], [NAN, NAN]])
    ours = average_keypoint_distance(FORMS[real_as](real), FORMS[generated_as](generated))
    assert ours.akd == ((1 + 4) / 2 + 0) / 2
    assert ours.mkr == (1 / 2 + 1 / 2) / 2


def test_none_in_a_list_marks_a_missing_keypoint() -> None:
    """JSON has no NaN."""
    generated: Any = [[[1, 2], [None, None]]]
    ours = average_keypoint_distance([[[1, 1], [2, 2]]], generated)
    assert (ours.akd, ours.mkr) == (0.5, 0.5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_on_a_gpu_are_accepted() -> None:
    real = torch.tensor([[[1.0, 1.0]]], device="cuda")
    ours = average_keypoint_distance(real, real + 1)
    assert (ours.akd, ours.mkr) == (1, 0)


def test_face_keypoints_agree_with_the_scripts_of_the_field() -> None:
    ours = average_keypoint_distance(DETECTIONS["face_gt"], DETECTIONS["face_pred"])
    assert ours.akd == pytest.approx(EXPECTED["face_akd"], abs=1e-12)
    assert ours.mkr == pytest.approx(2 / 24)  # no face was found in 2 of the 24 frames


def test_each_frame_has_equal_weight() -> None:
    real = keypoints([[0, 0], [0, 0]], [[0, 0], [0, 0]])
    generated = keypoints([[1, 3], [NAN, NAN]], [[4, 4], [4, 4]])
    ours = average_keypoint_distance(real, generated)
    assert ours.akd == (2 + 4) / 2
    assert ours.mkr == (0.5 + 0) / 2


def test_keypoints_of_the_generated_frame_alone_do_not_count() -> None:
    real = keypoints([[NAN, NAN], [1, 1]], [[NAN, NAN], [NAN, NAN]])
    generated = keypoints([[5, 5], [2, 1]], [[5, 5], [5, 5]])
    ours = average_keypoint_distance(real, generated)
    assert (ours.akd, ours.mkr) == (0.5, 0)


def test_no_keypoints_in_the_generated_frames() -> None:
    real = keypoints([[1, 1], [2, 2]])
    ours = average_keypoint_distance(real, np.full_like(real, NAN))
    assert math.isnan(ours.akd)
    assert ours.mkr == 1


def test_no_keypoints_in_the_real_frames_are_an_error() -> None:
    missing = np.full((2, 3, 2), NAN)
    with pytest.raises(DataError, match="the real frames have none"):
        average_keypoint_distance(missing, missing)


@pytest.mark.parametrize("shape", [(2, 4, 2), (2, 3), (2, 3, 3)])
def test_wrong_shapes_are_rejected(shape: tuple[int, ...]) -> None:
    for zeros in (np.zeros, torch.zeros):
        with pytest.raises(DataError, match=r"^keypoints: expected \(F, J, 2\) twice, got .*\)$"):
            average_keypoint_distance(np.zeros((2, 3, 2)), zeros(shape))


@pytest.mark.parametrize("wrong", [[[[1, 2], [3]]], [[["left", "right"]]]], ids=["ragged", "words"])
def test_ragged_and_non_numeric_lists_are_rejected(wrong: ArrayLike) -> None:
    with pytest.raises(
        ValueError, match=r"^keypoints: not an array of numbers .*; give .*lists"
    ) as caught:
        average_keypoint_distance(wrong, wrong)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, DataError)


@pytest.mark.parametrize("step", [1, 3, 8, 24])
@pytest.mark.parametrize("kind", ["body", "face"])
def test_chunks_agree_with_the_whole_video(kind: str, step: int) -> None:
    real, generated = DETECTIONS[f"{kind}_gt"], DETECTIONS[f"{kind}_pred"]
    sums = KeypointSums()
    for start in range(0, len(real), step):
        sums.add(real[start : start + step], generated[start : start + step])
    tallies = sums.compute().tallies
    whole = average_keypoint_distance(real, generated)
    assert (tallies["akd"].mean, tallies["mkr"].mean) == (whole.akd, whole.mkr)
    assert tallies["akd"].mean == pytest.approx(EXPECTED[f"{kind}_akd"], abs=1e-12)


def test_frames_with_detections_are_counted() -> None:
    sums = KeypointSums()
    sums.add(
        keypoints([[1, 1], [NAN, NAN]], [[1, 1], [2, 2]], [[-1, -1], [NAN, NAN]]),
        keypoints([[1, 1], [NAN, NAN]], [[NAN, NAN], [-1, -1]], [[NAN, NAN], [NAN, 3]]),
    )
    found = sums.compute().detections["keypoints"]
    assert (found.real, found.generated) == (2, 1)


def test_a_video_without_keypoints_has_no_value() -> None:
    sums = KeypointSums()
    sums.add(np.full((2, 3, 2), NAN), np.zeros((2, 3, 2)))
    tallies = sums.compute().tallies
    assert (tallies["akd"].mean, tallies["mkr"].mean) == (None, None)


def test_different_numbers_of_keypoints_are_rejected() -> None:
    with pytest.raises(DataError, match=r"expected \(F, J, 2\) twice"):
        KeypointSums().add(np.zeros((1, 3, 2)), np.zeros((1, 4, 2)))
