import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from _helpers.system import limited_file_size
from _helpers.web_server import WebServer, serve
from huggingface_hub import constants

from cpabmm_core.errors import DownloadError, ResourceError
from cpabmm_core.files.display import show_downloads
from cpabmm_core.files.download import download_file, download_from_hub
from cpabmm_core.files.published import PublishedFile
from cpabmm_core.progress import Progress

CONTENT = bytes(range(256)) * 12_000  # three chunks, the last one shorter
CLOSED_PORT = "http://127.0.0.1:9"  # the discard port: nothing listens there


class Display:
    """Records what a progress display receives."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.states: list[tuple[int, int | None]] = []
        self.is_open = False

    @contextmanager
    def __call__(self, name: str) -> Iterator[Progress]:
        self.names.append(name)
        self.is_open = True
        try:
            yield lambda done, total: self.states.append((done, total))
        finally:
            self.is_open = False


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serve(CONTENT) as running:
        yield running


@pytest.fixture
def hub(server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of huggingface_hub, whose server is the local one."""
    use_as_hub(server.url, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda _: None)  # the library waits between its attempts
    return tmp_path / "hub"


def use_as_hub(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def file_at(source: str) -> PublishedFile:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return PublishedFile(name="a.pth", source=source, megabytes=3, sha256=digest)


def reason(file: PublishedFile, folder: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        download_file(file, folder)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []
    return str(caught.value)


def test_file_arrives_whole_with_progress(
    server: WebServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    display, folder = Display(), tmp_path / "new" / "folder"
    with show_downloads(display):
        path = download_file(file_at(f"{server.url}/a"), folder)
    assert path == folder / "a.pth"
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    assert display.names == ["a.pth"]
    assert display.states[0] == (1 << 20, len(CONTENT))
    assert display.states[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in display.states] == sorted(done for done, _ in display.states)
    assert not display.is_open
    assert capfd.readouterr() == ("", "")


def test_display_may_be_set_for_all_downloads(server: WebServer, tmp_path: Path) -> None:
    display = Display()
    with show_downloads(display):
        download_file(file_at(f"{server.url}/a"), tmp_path)
    download_file(file_at(f"{server.url}/a"), tmp_path)
    assert display.names == ["a.pth"]
    assert display.states[-1] == (len(CONTENT), len(CONTENT))


def test_digest_may_be_a_beginning_or_unknown(server: WebServer, tmp_path: Path) -> None:
    file = file_at(f"{server.url}/a")
    for digest in (file.sha256[:8], ""):
        assert download_file(replace(file, sha256=digest), tmp_path).read_bytes() == CONTENT


def test_file_with_another_digest_is_not_kept(server: WebServer, tmp_path: Path) -> None:
    message = reason(replace(file_at(f"{server.url}/a"), sha256="0123abcd"), tmp_path)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert message == f"the content is another file: SHA-256 {digest[:16]}..., not 0123abcd..."


def test_failed_download_keeps_an_older_file(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"older")
    with pytest.raises(DownloadError):
        download_file(file_at(f"{server.url}/cut"), tmp_path)
    assert (tmp_path / "a.pth").read_bytes() == b"older"


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"<html>Google Drive can't scan this file for viruses</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"", "is empty"),
    ],
)
def test_content_of_the_wrong_kind_is_named(
    server: WebServer, tmp_path: Path, content: bytes, trouble: str
) -> None:
    server.content = content
    file = replace(file_at(f"{server.url}/a"), sha256="")
    assert f"the content {trouble}" in reason(file, tmp_path)


def test_network_errors_are_short(server: WebServer, tmp_path: Path) -> None:
    assert reason(file_at(f"{server.url}/gone"), tmp_path) == "HTTP status 404 Not Found"
    assert reason(file_at(CLOSED_PORT), tmp_path) == "Connection refused"
    assert "0x" not in reason(file_at("http://no-such-host.invalid/a"), tmp_path)
    assert "IncompleteRead" in reason(file_at(f"{server.url}/cut"), tmp_path)


def test_folder_that_cannot_be_created_is_named(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"file/cache: cannot be written \(Not a directory\)"):
        download_file(file_at(f"{server.url}/a"), tmp_path / "file" / "cache")
    assert server.requests == 0


def test_size_may_be_unknown(server: WebServer, tmp_path: Path) -> None:
    server.states_size = False
    display = Display()
    with show_downloads(display):
        path = download_file(file_at(f"{server.url}/a"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert [total for _, total in display.states] == [None] * len(display.states)
    assert [done for done, _ in display.states] == [1 << 20, 2 << 20, 3 << 20]


def test_full_disk_is_a_resource_error(server: WebServer, tmp_path: Path) -> None:
    with limited_file_size(1000), pytest.raises(ResourceError, match=r"a\.pth: no space left"):
        download_file(file_at(f"{server.url}/a"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_hub_file_arrives_in_its_cache_with_progress(
    server: WebServer, hub: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    display, file = Display(), replace(file_at("someone/model"), name="model.safetensors")
    with show_downloads(display):
        path = download_from_hub(file)
    assert path.read_bytes() == CONTENT
    assert hub in path.parents
    assert display.names == ["model.safetensors"]
    assert display.states[-1] == (len(CONTENT), len(CONTENT))
    assert "model.safetensors" not in capfd.readouterr().err  # no bar of the library's own
    requests = server.requests
    assert download_from_hub(file) == path
    assert server.requests <= requests + 1  # only the headers are fetched again


@pytest.mark.parametrize("repository", ["someone/cut", "someone/gone"])
def test_failed_hub_download_leaves_no_file(hub: Path, repository: str) -> None:
    file = replace(file_at(repository), name="model.safetensors")
    with pytest.raises(DownloadError) as caught:
        download_from_hub(file)
    assert "\n" not in str(caught.value)
    assert list(hub.rglob("*.safetensors")) == []


def test_unreachable_hub_is_named_in_a_few_words(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_as_hub(CLOSED_PORT, monkeypatch)
    with pytest.raises(DownloadError) as caught:
        download_from_hub(file_at("someone/model"))
    assert "0x" not in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert not hub.exists() or list(hub.rglob("*.pth")) == []


def test_full_disk_on_the_hub_is_a_resource_error(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(ResourceError, match="hub: no space left"):
        download_from_hub(file_at("someone/model"))
