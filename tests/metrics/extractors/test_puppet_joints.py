import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cpabmm_core.metrics.extractors.puppet_joints import (
    BIPED,
    JOINT_NAMES,
    QUADRUPED,
    has_puppet_joints,
    in_fixed_order,
)
from cpabmm_core.puppets import render_puppet


@pytest.mark.parametrize(("plan", "known"), [("biped", BIPED), ("quadruped", QUADRUPED)])
def test_the_names_are_those_that_are_rendered(plan: str, known: np.ndarray) -> None:
    videos = [
        render_puppet(3, index, split="test", frames=1, size=32, body_plan=plan)  # type: ignore[arg-type]
        for index in range(12)
    ]
    rendered = {name for video in videos for name in video.joint_names}
    assert rendered == {name for name, own in zip(JOINT_NAMES, known, strict=True) if own}
    assert len(set(JOINT_NAMES)) == len(JOINT_NAMES) == 37


def test_joints_get_their_columns_and_the_rest_is_missing() -> None:
    arranged = in_fixed_order([[[1, 2], [3, 4]]], ["tail_tip", "rump"])
    assert arranged.shape == (1, 37, 2)
    assert arranged[0, JOINT_NAMES.index("tail_tip")].tolist() == [1, 2]
    assert arranged[0, JOINT_NAMES.index("rump")].tolist() == [3, 4]
    assert np.isnan(arranged).sum() == 35 * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"joint_names": ["head", "rump"], "joints": [[[0, 0], [1, 1]]]}), True),
        (json.dumps({"joint_names": ["nose"], "joints": [[[0, 0]]]}), False),
        (json.dumps({"joint_names": ["head"]}), False),
        (json.dumps({"joints": []}), False),
        (json.dumps({"joint_names": [["head"]], "joints": []}), False),
        (json.dumps(["joint_names", "joints"]), False),
        ("{", False),
        (None, False),
    ],
)
def test_a_file_beside_the_video_tells_of_puppets(
    text: str | None, expected: bool, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    assert has_puppet_joints(tmp_path / "a.mp4") is expected
    assert has_puppet_joints(tmp_path / "a") is expected


def test_a_folder_of_frames_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.1").mkdir()
    (tmp_path / "a.1.json").write_text('{"joint_names": ["head"], "joints": []}')
    assert has_puppet_joints(tmp_path / "a.1")


def test_telling_puppets_does_not_import_torch() -> None:
    code = (
        "import sys, cpabmm_core.metrics.extractors.puppet_joints;sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
