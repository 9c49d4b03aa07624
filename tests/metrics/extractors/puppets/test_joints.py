import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cpabmm_core.metrics.extractors.puppets.joints import (
    BIPED,
    JOINT_NAMES,
    QUADRUPED,
    arrange_joints,
    has_puppet_joints,
)
from cpabmm_core.puppets import render_puppet


@pytest.mark.parametrize(("plan", "mask"), [("biped", BIPED), ("quadruped", QUADRUPED)])
def test_names_match_rendered_puppets(plan: str, mask: np.ndarray) -> None:
    videos = [
        render_puppet(3, index, split="test", frames=1, size=32, body_plan=plan)  # type: ignore[arg-type]
        for index in range(12)
    ]
    rendered = {name for video in videos for name in video.joint_names}
    assert rendered == {name for name, own in zip(JOINT_NAMES, mask, strict=True) if own}
    assert len(set(JOINT_NAMES)) == len(JOINT_NAMES) == 37


def test_arranges_joints_and_fills_others_with_nan() -> None:
    arranged = arrange_joints([[[1, 2], [3, 4]]], ["tail_tip", "rump"])
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
def test_the_annotation_file_identifies_puppets(
    text: str | None, expected: bool, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    assert has_puppet_joints(tmp_path / "a.mp4") is expected
    assert has_puppet_joints(tmp_path / "a") is expected


def test_a_folder_of_frames_may_contain_a_dot(tmp_path: Path) -> None:
    (tmp_path / "a.1").mkdir()
    (tmp_path / "a.1.json").write_text('{"joint_names": ["head"], "joints": []}')
    assert has_puppet_joints(tmp_path / "a.1")


def test_joints_do_not_import_torch() -> None:
    code = (
        "import sys, cpabmm_core.metrics.extractors.puppets.joints;sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
