"""Joints of people for the ablation. The network itself is no dependency, so others replace it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from ablation.data_sets import BY_NAME as DATA_SETS
from ablation.people import JOINTS, PeopleJoints, Pose, open_people_joints
from ablation.scores import Scorer
from numpy.typing import NDArray
from PIL import Image

from cpabmm_core.errors import CheckpointError, ConfigError
from cpabmm_core.metrics.extractors import ExtractorInfo

INFO = ExtractorInfo("bright", "1", weights="", cost="none")
WRIST = list(JOINTS).index("left wrist")


def bright_spot(picture: NDArray[np.float32]) -> Pose:
    """Say that the left wrist is at the brightest pixel, and nothing else is visible."""
    landmarks = np.full((39, 5), -3, np.float32)
    line, column = np.unravel_index(picture[..., 0].argmax(), picture.shape[:2])
    landmarks[JOINTS["left wrist"]] = (column + 0.5, line + 0.5, 0, 3, 3)
    return Pose(landmarks, float(picture.max() > 0.5))


def spot(column: int, line: int, value: int = 255) -> NDArray[np.uint8]:  # (32, 64, 3)
    frame = np.zeros((32, 64, 3), np.uint8)
    frame[line, column] = value
    return frame


def test_joints_are_in_pixels_of_the_frame_at_pixel_centres() -> None:
    frames = np.stack([spot(5, 7), spot(60, 30)])
    found = PeopleJoints(bright_spot, INFO).keypoints(frames)
    assert found.shape == (2, len(JOINTS), 2)
    # The brightest of 4 x 8 pixels that show one is half a pixel of theirs beside its centre.
    np.testing.assert_allclose(found[:, WRIST], [(5, 7), (60, 30)], atol=0.13)


@pytest.mark.parametrize("hidden", [3, 4])
def test_a_joint_that_is_hidden_or_outside_is_missing(hidden: int) -> None:
    def hide(picture: NDArray[np.float32]) -> Pose:
        pose = bright_spot(picture)
        pose.landmarks[JOINTS["left wrist"], hidden] = -0.1
        return pose

    frames = spot(5, 7)[None]
    assert np.isfinite(PeopleJoints(bright_spot, INFO).keypoints(frames)[0, WRIST]).all()
    assert np.isnan(PeopleJoints(hide, INFO).keypoints(frames)).all()


def test_a_frame_without_a_person_has_no_joints() -> None:
    found = PeopleJoints(bright_spot, INFO).keypoints(np.stack([spot(5, 7), spot(5, 7, 60)]))
    assert np.isfinite(found[0, WRIST]).all()
    assert np.isnan(found[1]).all()


def test_no_frames_have_no_joints() -> None:
    found = PeopleJoints(bright_spot, INFO).keypoints(np.zeros((0, 64, 64, 3), np.uint8))
    assert found.shape == (0, len(JOINTS), 2)


@pytest.mark.parametrize(("name", "expected"), [("taichi", "bright"), ("puppets", "puppets")])
def test_only_sets_of_people_are_scored_by_it(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    strip = np.concatenate([spot(5, 7)[:, :32]] * 3, axis=1)
    Image.fromarray(strip).save(tmp_path / "test" / "a.png")
    scorer = Scorer(DATA_SETS[name], tmp_path, people=PeopleJoints(bright_spot, INFO))
    assert scorer.extractors["keypoints"] == expected


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pose.tflite"
    file.write_bytes(b"no network")
    with pytest.raises((CheckpointError, ConfigError), match=r"pose\.tflite: .+; (give|install)"):
        open_people_joints(file)


def test_without_the_package_that_runs_it_the_cure_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ConfigError, match="pip install ai-edge-litert"):
        open_people_joints(Path("pose.tflite"))
