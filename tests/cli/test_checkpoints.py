from pathlib import Path

import pytest
from _helpers.command_line import assert_fails, document_of, run

from cpabmm_cli.console import terminal
from cpabmm_core.checkpoint import download as downloads
from cpabmm_core.checkpoint.catalogue import PUBLIC_CHECKPOINTS, PublicCheckpoint
from cpabmm_core.files.display import current_display


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CPABMM_CACHE", str(tmp_path))
    monkeypatch.setattr("requests.get", lambda *_, **__: pytest.fail("unexpected download"))
    return tmp_path


def test_each_checkpoint_is_listed_with_its_page(cache: Path) -> None:
    result = run("checkpoints")
    assert result.exit_code == 0
    entries = result.stdout.rstrip("\n").split("\n")
    assert [line.split(":")[0] for line in entries[::4]] == [
        file.alias for file in PUBLIC_CHECKPOINTS
    ]
    for i, file in enumerate(PUBLIC_CHECKPOINTS):
        first, page, licence, digest = entries[4 * i : 4 * i + 4]
        assert f"{file.name}, {file.megabytes} MB, frames {file.frame_size} x" in first
        assert page.strip() == file.page
        assert file.licence is not None
        assert file.licence in licence
        assert digest == f"  sha256: {file.sha256 or 'unknown'}"
    assert f"into {cache / 'checkpoints'}" in result.stderr.replace("\n", " ")


def test_document_holds_the_catalogue(cache: Path) -> None:
    (cache / "checkpoints").mkdir()
    (cache / "checkpoints" / "ted384.pth").touch()
    document = document_of("checkpoints")
    assert document["folder"] == str(cache / "checkpoints")
    assert [each["name"] for each in document["checkpoints"] if each["here"]] == ["mraa-ted"]
    vox = document["checkpoints"][0]
    assert (vox["name"], vox["kind"], vox["frame_size"]) == ("tpsmm-vox", "tpsmm", 256)
    assert vox["sha256"].startswith("52ad8c84")


def test_download_is_announced(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[PublicCheckpoint, Path]] = []

    def download(file: PublicCheckpoint, folder: Path) -> Path:
        asked.append((file, folder))
        assert current_display() == terminal.download_bar
        with current_display()(file.name) as progress:
            progress(1, 2)
        return folder / file.name

    monkeypatch.setattr(downloads, "download_checkpoint", download)
    result = run("checkpoints", "--download", "tpsmm-vox")
    assert asked == [(PUBLIC_CHECKPOINTS[0], cache / "checkpoints")]
    assert result.stdout == f"{cache / 'checkpoints' / 'vox.pth.tar'}\n"
    assert "downloading vox.pth.tar, 351 MB, from https://" in result.stderr
    assert "licence: code MIT" in result.stderr


def test_impossible_downloads_are_refused() -> None:
    refused = run("checkpoints", "--download", "mraa-vox")
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "no direct link to the file exists" in refused.stderr
    wrong = run("checkpoints", "--download", "vox")
    assert wrong.exit_code == 2
    assert "tpsmm-vox" in wrong.stderr
    assert_fails(4, "info", "mraa-vox", words="not on this machine; put vox256.pth from https://")
    words = "run `cpabmm checkpoints --download tpsmm-vox`, or put vox.pth.tar from https://"
    assert_fails(4, "info", "tpsmm-vox", words=words)
