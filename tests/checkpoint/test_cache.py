from pathlib import Path

import pytest
import torch
from _helpers.published_model import write_narrow_model
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint import cache
from cpabmm_core.checkpoint.cache import converted
from cpabmm_core.checkpoint.convert import convert
from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.errors import CheckpointError


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_narrow_model(tmp_path / "mine.pth.tar", "fomm")


def test_it_is_converted_once(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    kept = converted(published, tmp_path / "deep" / "cache", told.append)
    assert kept.parent == tmp_path / "deep" / "cache"
    assert told == [f"{published}: {convert(published)}", f"{published}: converted into {kept}"]
    expected = convert(published).checkpoint().model.state_dict()
    found = load_checkpoint(kept).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())

    monkeypatch.setattr(cache, "convert", lambda path: pytest.fail("converted again"))
    assert converted(published, kept.parent, told.append) == kept
    assert len(told) == 2


def test_another_content_or_name_is_another_model(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first = converted(published, folder, lambda _: None)
    renamed = published.rename(tmp_path / "vox-cpk.pth.tar")
    second = converted(renamed, folder, lambda _: None)
    third = converted(write_narrow_model(renamed, "mraa"), folder, lambda _: None)
    assert len({first, second, third}) == 3
    assert load_checkpoint(third).kind == "mraa"


def test_our_own_checkpoints_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_checkpoint(path, tiny_model(), tiny_config(), record={})
    assert converted(path, tmp_path / "cache", pytest.fail) == path
    assert list(tmp_path.iterdir()) == [path]


def test_a_cache_that_cannot_be_written_is_done_without(published: Path, tmp_path: Path) -> None:
    """A file where the folder should be stands for a disk that is full or read-only."""
    blocked = tmp_path / "cache"
    blocked.touch()
    told: list[str] = []
    assert converted(published, blocked, told.append) == published
    assert "converted for this time only" in told[-1]


def test_a_file_that_is_none_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vox.pth.tar"
    path.write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match="is a web page"):
        converted(path, tmp_path / "cache", pytest.fail)
    assert list(tmp_path.iterdir()) == [path]
