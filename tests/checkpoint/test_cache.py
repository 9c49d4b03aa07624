from pathlib import Path

import pytest
import torch
from _helpers.published_model import write_narrow_model
from _helpers.tiny_model import tiny_config, tiny_model

from cpabmm_core.checkpoint import cache
from cpabmm_core.checkpoint.cache import convert_cached
from cpabmm_core.checkpoint.convert import convert_checkpoint
from cpabmm_core.checkpoint.format import load_checkpoint, save_checkpoint
from cpabmm_core.errors import CheckpointError


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_narrow_model(tmp_path / "mine.pth.tar", "fomm")


def test_published_file_is_converted_once(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[str] = []
    cached = convert_cached(published, tmp_path / "deep" / "cache", announced.append)
    assert cached.parent == tmp_path / "deep" / "cache"
    assert announced == [
        f"{published}: {convert_checkpoint(published)}",
        f"{published}: converted to {cached}",
    ]
    expected = convert_checkpoint(published).checkpoint().model.state_dict()
    found = load_checkpoint(cached).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())

    monkeypatch.setattr(cache, "convert_checkpoint", lambda path: pytest.fail("converted again"))
    assert convert_cached(published, cached.parent, announced.append) == cached
    assert len(announced) == 2


def test_other_content_or_another_name_is_another_model(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first = convert_cached(published, folder, lambda _: None)
    renamed = published.rename(tmp_path / "vox-cpk.pth.tar")
    second = convert_cached(renamed, folder, lambda _: None)
    third = convert_cached(write_narrow_model(renamed, "mraa"), folder, lambda _: None)
    assert len({first, second, third}) == 3
    assert load_checkpoint(third).kind == "mraa"


def test_a_name_of_bytes_that_are_no_text_has_a_cache_as_well(
    published: Path, tmp_path: Path
) -> None:
    renamed = published.rename(tmp_path / "vox\udcff.pth.tar")
    cached = convert_cached(renamed, tmp_path / "cache", lambda _: None)
    assert load_checkpoint(cached).record["converted_from"]["file"] == "vox\udcff.pth.tar"


def test_cpabmm_checkpoints_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_checkpoint(path, tiny_model(), tiny_config(), record={})
    assert convert_cached(path, tmp_path / "cache", pytest.fail) == path
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_cache_is_not_used(published: Path, tmp_path: Path) -> None:
    """A file in place of the folder stands for a full or read-only disk."""
    blocked = tmp_path / "cache"
    blocked.touch()
    announced: list[str] = []
    assert convert_cached(published, blocked, announced.append) == published
    assert "converted, but not cached" in announced[-1]


def test_other_file_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vox.pth.tar"
    path.write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match="is a web page"):
        convert_cached(path, tmp_path / "cache", pytest.fail)
    assert list(tmp_path.iterdir()) == [path]
