from pathlib import Path

import pytest

from cpabmm_core.metrics.extractors.puppet_truth import has_puppet_joints


def test_a_file_of_joints_beside_the_video(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"joint_names": ["head"], "joints": []}')
    assert has_puppet_joints(tmp_path / "a.png")
    assert not has_puppet_joints(tmp_path / "b.png")
    (tmp_path / "a").mkdir()
    assert has_puppet_joints(tmp_path / "a")


def test_a_folder_with_a_dot_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.1").mkdir()
    (tmp_path / "a.1.json").write_text('{"joint_names": []}')
    assert has_puppet_joints(tmp_path / "a.1")


@pytest.mark.parametrize("content", ['{"box": [1, 2]}', "[1]", "not JSON", "\udcff"])
def test_other_files_are_no_truth(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_bytes(content.encode(errors="surrogateescape"))
    assert not has_puppet_joints(tmp_path / "a.png")
