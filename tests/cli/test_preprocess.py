import json
from pathlib import Path

import pytest
from _helpers.command_line import assert_fails, output_of, run

from cpabmm_core.data import puppets
from cpabmm_core.media.timed_frames import open_frames


def test_it_writes_a_data_set_and_prints_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    sizes = ("--videos", 2, "--test-videos", 1, "--frames", 3, "--size", 32)
    assert output_of("preprocess", "puppets", "-o", folder, *sizes) == f"{folder}\n"
    videos = {path.relative_to(folder).as_posix() for path in folder.rglob("*.mp4")}
    assert videos == {"train/00000.mp4", "train/00001.mp4", "test/00000.mp4"}
    frames = list(open_frames(folder / "train" / "00000.mp4"))
    assert [frame.image.shape for frame in frames] == [(32, 32, 3)] * 3
    truth = json.loads((folder / "train" / "00000.json").read_text())
    assert len(truth["joints"]) == 3


def test_every_option_reaches_the_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, dict[str, object]]] = []
    monkeypatch.setattr(
        puppets, "write_puppets", lambda folder, **options: calls.append((folder, options))
    )
    numbers = {"videos": 3, "test_videos": 4, "frames": 5, "size": 48, "seed": 6, "workers": 2}
    options = [word for name, n in numbers.items() for word in (f"--{name.replace('_', '-')}", n)]
    folder = tmp_path / "set"
    output_of("preprocess", "puppets", "-o", folder, *options, "--format", "strip", "--force")
    ((where, given),) = calls
    assert callable(given.pop("progress"))
    assert where == folder
    assert given == {**numbers, "format": "strip", "force": True}


def test_a_folder_that_holds_something_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    assert_fails(3, "preprocess", "puppets", "-o", tmp_path, words="--force")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_usage_errors(tmp_path: Path) -> None:
    assert run("preprocess").exit_code == 2
    assert run("preprocess", "puppets").exit_code == 2
    assert run("preprocess", "puppets", "-o", tmp_path / "set", "--videos", "0").exit_code == 2
