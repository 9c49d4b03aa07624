import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from _helpers.published_model import write_narrow_model
from _helpers.web_server import WebServer, serve

from cpabmm_core.checkpoint.catalogue import PUBLIC_CHECKPOINTS, PublicCheckpoint
from cpabmm_core.checkpoint.download import download_checkpoint
from cpabmm_core.errors import CheckpointError
from cpabmm_core.progress import Progress


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    path = tmp_path_factory.mktemp("published") / "a.pth"
    with serve(write_narrow_model(path, "fomm").read_bytes()) as running:
        yield running


def file_of(server: WebServer, path: str = "/file") -> PublicCheckpoint:
    return replace(
        PUBLIC_CHECKPOINTS[0],
        source=f"{server.url}{path}",
        sha256=hashlib.sha256(server.content).hexdigest(),
    )


def test_file_arrives_whole(server: WebServer, tmp_path: Path) -> None:
    path = download_checkpoint(file_of(server), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / PUBLIC_CHECKPOINTS[0].name
    assert path.read_bytes() == server.content
    assert list(path.parent.iterdir()) == [path]


def test_progress_goes_to_the_given_display(server: WebServer, tmp_path: Path) -> None:
    names: list[str] = []
    counts: list[tuple[int, int | None]] = []

    @contextmanager
    def display(name: str) -> Iterator[Progress]:
        names.append(name)
        yield lambda done, total: counts.append((done, total))

    file, size = file_of(server), len(server.content)
    download_checkpoint(file, tmp_path, display)
    assert names == [file.name]
    assert counts[-1] == (size, size)
    download_checkpoint(file, tmp_path)  # the display is for that download only
    assert names == [file.name]


def test_every_failure_names_the_checkpoint_and_its_page(server: WebServer, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    file = file_of(server)
    page = replace(file_of(server), sha256="")
    for broken, trouble in (
        (replace(file, sha256="0" * 64), "is another file"),
        (file_of(server, "/gone"), "failed (HTTP status 404"),
        (file_of(server, "/cut"), "failed ("),
        (replace(file, source=None), "no direct link to the file exists"),
        (page, "failed (the content is a web page)"),
    ):
        if broken is page:
            server.content = b"<html>Google Drive can't scan this file for viruses</html>"
        with pytest.raises(CheckpointError) as caught:
            download_checkpoint(broken, folder)
        message = str(caught.value)
        assert trouble in message
        assert message.startswith(f"{file.alias}: ")
        assert message.endswith(f"; put {file.name} from {file.page} into {folder}")
        assert "\n" not in message
        assert not folder.exists() or not list(folder.iterdir())
