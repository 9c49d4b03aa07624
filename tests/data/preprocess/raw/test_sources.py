"""Listing raw videos and reading identities from their paths."""

from pathlib import Path

import pytest

from cpabmm_core.data.preprocess.raw.sources import list_sources
from cpabmm_core.data.preprocess.shard import Shard
from cpabmm_core.errors import DataError


def fill(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_identities_come_from_sub_folders_or_names(tmp_path: Path) -> None:
    names = ["b.mp4", "id7#talk.MOV", "anna/one.mp4", "anna/2019/two.mkv", "a#b/x.gif"]
    ignored = ["notes.txt", ".hidden.mp4", ".git/x.mp4", "anna/frame.png"]
    found = list_sources(fill(tmp_path, names + ignored))
    assert [(each.name, each.identity, each.video) for each in found] == [
        ("a#b/x.gif", "a-b", "x"),
        ("anna/2019/two.mkv", "anna", "2019-two"),
        ("anna/one.mp4", "anna", "one"),
        ("b.mp4", "b", "b"),
        ("id7#talk.MOV", "id7", "talk"),
    ]


def test_a_single_video_is_accepted(tmp_path: Path) -> None:
    (found,) = list_sources(fill(tmp_path, ["a.mp4", "b.mp4"]) / "b.mp4")
    assert (found.name, found.identity) == ("b.mp4", "b")


def test_a_missing_video_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        list_sources(tmp_path / "none")
    with pytest.raises(DataError, match="contains no video"):
        list_sources(fill(tmp_path, ["a.txt"]))


def test_videos_with_the_same_clip_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.mov and a\.mp4 .* rename one"):
        list_sources(fill(tmp_path, ["a.mp4", "a.mov"]))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_name_alone_determines_the_shard(tmp_path: Path, count: int) -> None:
    names = [f"v{k}.mp4" for k in range(40)]
    sources = list_sources(fill(tmp_path / "one", names))
    shards = [Shard(index, count) for index in range(1, count + 1)]
    held = [[source.name for source in sources if shard.contains(source.name)] for shard in shards]
    assert sorted(name for names in held for name in names) == sorted(names)
    assert all(held)
    again = list_sources(fill(tmp_path / "other", names[:20]))
    for shard, names_held in zip(shards, held, strict=True):
        assert {s.name for s in again if shard.contains(s.name)} <= set(names_held)
