import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from _helpers.published_model import write_narrow_model

from cpabmm_core.checkpoint.catalogue import PUBLIC_FILES, PublicFile
from cpabmm_core.checkpoint.download import download
from cpabmm_core.errors import CheckpointError


class Server(ThreadingHTTPServer):
    """Answers every request with `content`, as long as it says or cut off."""

    content = b""
    cut = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        if self.path != "/file":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        self.wfile.write(server.content[: len(server.content) - server.cut])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def file_of(server: Server, path: str = "/file") -> PublicFile:
    return replace(
        PUBLIC_FILES[0],
        url=f"http://127.0.0.1:{server.server_address[1]}{path}",
        sha256=hashlib.sha256(server.content).hexdigest(),
    )


def error_of(file: PublicFile, folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        download(file, folder, lambda done, total: None)
    message = str(caught.value)
    assert message.startswith(f"{file.name}: ")
    assert message.endswith(f"put {file.file} from {file.page} into {folder}")
    assert "\n" not in message
    assert not folder.exists() or not list(folder.iterdir())
    return message


def test_a_file_arrives_whole(server: Server, tmp_path: Path) -> None:
    server.content = write_narrow_model(tmp_path / "a.pth", "fomm").read_bytes()
    seen: list[tuple[int, int | None]] = []
    path = download(file_of(server), tmp_path / "new" / "folder", lambda *now: seen.append(now))
    assert path == tmp_path / "new" / "folder" / PUBLIC_FILES[0].file
    assert path.read_bytes() == server.content
    assert list(path.parent.iterdir()) == [path]
    assert seen[-1] == (len(server.content), len(server.content))


def test_another_file_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.content = b"PK" + bytes(1000)
    file = replace(file_of(server), sha256="0" * 64)
    assert "is another file (sha256 " in error_of(file, tmp_path)


def test_a_web_page_in_its_place(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>Google Drive can't scan this file for viruses</html>"
    assert "gives is a web page, not a checkpoint" in error_of(file_of(server), tmp_path)


def test_a_connection_that_breaks_off(server: Server, tmp_path: Path) -> None:
    server.content, server.cut = b"PK" + bytes(1000), 500
    assert "is another file" in error_of(file_of(server), tmp_path)


def test_no_such_file_no_server_and_no_link(server: Server, tmp_path: Path) -> None:
    assert "cannot be had (HTTP Error 404" in error_of(file_of(server, "/none"), tmp_path)
    server.shutdown()
    server.server_close()
    assert "cannot be had (" in error_of(file_of(server), tmp_path)
    assert "no link to the file itself is known" in error_of(
        replace(PUBLIC_FILES[0], url=None), tmp_path
    )
