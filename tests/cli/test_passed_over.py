"""Every command that reads a folder of clips names once what it passed over."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from _helpers.command_line import run
from _helpers.media_files import write_test_video
from _helpers.odd_files.folders import make_gif
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint import save_checkpoint
from cpabmm_core.data import open_clips, split_data_set
from cpabmm_core.data.preprocess import convert_gifs
from cpabmm_core.data.preprocess.raw.sources import list_sources
from cpabmm_core.data.validation_pairs import open_validation


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips, a partial download, a companion, and a sub-folder without images."""
    path = tmp_path / "clips"
    path.mkdir()
    write_test_video(path / "a.MTS", frames=12, container_format="mpegts")
    write_test_video(path / "b", frames=3, container_format="mp4")
    (path / "c.mp4.part").write_bytes(b"...")
    (path / "a.json").write_text("{}")
    (path / "empty").mkdir()
    return path


def line_of(folder: Path) -> str:
    return f"{folder}: passed over 2 entries that are no clips: c.mp4.part, empty/"


@pytest.mark.parametrize(
    "read",
    [
        lambda folder, report: open_clips(folder, "refuse", report),
        lambda folder, report: split_data_set(folder, 0.5, 0, report),
        lambda folder, report: open_validation(folder, tiny_config().data, frames=1, report=report),
    ],
    ids=["train", "split", "validation"],
)
def test_training_names_it(
    folder: Path, read: Callable[[Path, Callable[[str], None]], object]
) -> None:
    lines: list[str] = []
    read(folder, lines.append)
    assert [line for line in lines if "passed over" in line] == [line_of(folder)]


def test_reconstruct_names_it_and_reads_all_clips(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "tiny.safetensors", tiny_model(), tiny_config(), record={})
    arguments = ("-o", tmp_path / "out", "--checkpoint", tmp_path / "tiny.safetensors")
    result = run("reconstruct", folder, *arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines().count(line_of(folder)) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "b.mp4"]


def test_metrics_name_it_for_each_folder(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "generated"
    shutil.copytree(folder, other)
    result = run("metrics", folder, other, "--keypoints", "none", "--identity", "none")
    assert result.exit_code == 0, result.output
    for each in (folder, other):
        assert result.stderr.splitlines().count(line_of(each)) == 1


def test_preprocess_names_it(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    (folder / "deep").mkdir()
    (folder / "deep" / "d.jpg").touch()
    (folder / "link").symlink_to(tmp_path)
    names = [source.name for source in list_sources(folder, lines.append)]
    assert names == ["a.MTS", "b"]
    assert lines == [
        f"{folder}: passed over 3 entries that are no videos: c.mp4.part, deep/d.jpg, link/"
    ]


def test_gifs_are_found_by_suffix_or_content(folder: Path, tmp_path: Path) -> None:
    make_gif(folder / "cat.mp4")
    lines: list[str] = []
    summary = convert_gifs(folder, tmp_path / "set", size=16, test_share=0, report=lines.append)
    assert (summary.train, summary.left_out) == (1, 0)
    assert lines == [
        f"{folder}: passed over 4 entries that are no GIFs: a.MTS, b, c.mp4.part, empty/"
    ]


def test_videos_of_a_published_set_are_found_with_any_suffix(tmp_path: Path) -> None:
    from cpabmm_core.data.preprocess.published.find_videos import _files_by_name

    for name in ("x.MTS", "y.webm", "y.mp4", "z.txt", "w.mp4.part"):
        (tmp_path / name).touch()
    found = {name: path.name for name, path in _files_by_name(tmp_path).items()}
    assert found == {"x": "x.MTS", "y": "y.mp4"}
    assert _files_by_name(tmp_path / "none") == {}
