from pathlib import Path

import pytest
from _helpers.command_line import assert_fails, document_of, run

from cpabmm_core.checkpoint import download as downloads
from cpabmm_core.checkpoint.catalogue import PUBLIC_FILES, PublicFile
from cpabmm_core.progress import Progress


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CPABMM_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "urllib.request.urlopen", lambda *_, **__: pytest.fail("nothing was asked for")
    )
    return tmp_path


def test_each_file_and_where_to_put_it(cache: Path) -> None:
    result = run("checkpoints")
    assert result.exit_code == 0
    entries = result.stdout.rstrip("\n").split("\n")
    assert [line.split(":")[0] for line in entries[::4]] == [file.name for file in PUBLIC_FILES]
    for i, file in enumerate(PUBLIC_FILES):
        first, page, licence, digest = entries[4 * i : 4 * i + 4]
        assert f"{file.file}, {file.megabytes} MB, frames {file.frame_size} x" in first
        assert page.strip() == file.page
        assert file.licence in licence
        assert digest == f"  sha256: {file.sha256 or 'not known'}"
    assert f"into {cache / 'checkpoints'}" in result.stderr.replace("\n", " ")


def test_the_document_has_all_that_is_known(cache: Path) -> None:
    (cache / "checkpoints").mkdir()
    (cache / "checkpoints" / "ted384.pth").touch()
    document = document_of("checkpoints")
    assert document["folder"] == str(cache / "checkpoints")
    assert [each["name"] for each in document["checkpoints"] if each["here"]] == ["mraa-ted"]
    vox = document["checkpoints"][0]
    assert (vox["name"], vox["kind"], vox["frame_size"]) == ("tpsmm-vox", "tpsmm", 256)
    assert vox["sha256"].startswith("52ad8c84")


def test_a_download_tells_what_it_does_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[PublicFile, Path]] = []

    def download(file: PublicFile, folder: Path, progress: Progress) -> Path:
        asked.append((file, folder))
        progress(1, 2)
        return folder / file.file

    monkeypatch.setattr(downloads, "download", download)
    result = run("checkpoints", "--download", "tpsmm-vox")
    assert asked == [(PUBLIC_FILES[0], cache / "checkpoints")]
    assert result.stdout == f"{cache / 'checkpoints' / 'vox.pth.tar'}\n"
    assert "downloading vox.pth.tar, 351 MB, from https://" in result.stderr
    assert "licence: code MIT" in result.stderr


def test_what_cannot_be_downloaded() -> None:
    refused = run("checkpoints", "--download", "mraa-vox")
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert "no link to the file itself is known" in refused.stderr
    wrong = run("checkpoints", "--download", "vox")
    assert wrong.exit_code == 2
    assert "tpsmm-vox" in wrong.stderr
    assert_fails(4, "info", "mraa-vox", words="see `cpabmm checkpoints`")
