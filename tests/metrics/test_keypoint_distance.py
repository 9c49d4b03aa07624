import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cpabmm_core.errors import DataError
from cpabmm_core.metrics import average_keypoint_distance

GOLDEN = Path(__file__).parents[1] / "data" / "metrics"
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
    with pytest.raises(DataError, match=r"expected \(F, J, 2\) twice"):
        average_keypoint_distance(np.zeros((2, 3, 2)), np.zeros(shape))
