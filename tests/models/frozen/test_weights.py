import errno
import hashlib
import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save, save_file
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError, ConfigError, CpabmmError, ResourceError
from cpabmm_core.models.frozen.weights import (
    WeightFile,
    fill,
    find_local_weights,
    find_weights,
    read_weights,
)

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}
CONTENT = save(TENSORS)
WITHOUT = "losses.structure=0"


class Handler(BaseHTTPRequestHandler):
    """`/whole.pth` is the file, `/cut.pth` breaks off; everything else is as on the hub."""

    def do_HEAD(self) -> None:
        if not self.path.endswith((".pth", ".safetensors")):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if self.path.endswith((".pth", ".safetensors")):
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if "cut" in self.path else CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def url_file(server: str, name: str = "whole.pth") -> WeightFile:
    return WeightFile(
        what="weights of a test",
        name=name,
        source=f"{server}/{name}",
        megabytes=7,
        key="losses.test.weights",
        sha256=hashlib.sha256(CONTENT).hexdigest()[:8],
        licence="MIT",
    )


def hub_file(monkeypatch: pytest.MonkeyPatch, server: str, repository: str) -> WeightFile:
    monkeypatch.setattr(constants, "ENDPOINT", server)
    template = server + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    return replace(url_file(server), name="model.safetensors", source=repository, sha256="")


def find(
    file: WeightFile, path: Path | None = None, *, allow_download: bool = True
) -> tuple[Path, list[str]]:
    """The path found, and what was announced."""
    told: list[str] = []
    found = find_weights(
        file, path, allow_download=allow_download, announce=told.append, without=WITHOUT
    )
    return found, told


def error_of(
    file: WeightFile,
    path: Path | None = None,
    *,
    allow_download: bool = True,
    kind: type[CpabmmError] = ConfigError,
) -> str:
    with pytest.raises(kind) as caught:
        find(file, path, allow_download=allow_download)
    message = str(caught.value)
    assert "\n" not in message
    return message


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_given_file_is_taken_before_the_cached_one(server: str, tmp_path: Path) -> None:
    find(url_file(server))
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(CONTENT)
    assert find(url_file(server), mine) == (mine, [])


def test_download_is_announced_then_cached(server: str, tmp_path: Path) -> None:
    file = url_file(server)
    assert find_local_weights(file, None) is None
    path, told = find(file)
    assert path == tmp_path / "torch" / "checkpoints" / "whole.pth"
    assert path.read_bytes() == CONTENT
    assert len(told) == 1
    for word in ("whole.pth", "weights of a test", "7 MB", "MIT", server, str(path.parent)):
        assert word in told[0]
    assert find(file, allow_download=False) == (path, [])
    assert find_local_weights(file, None) == path


def test_download_from_the_hub(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hub_file(monkeypatch, server, "timm/tiny")
    assert find_local_weights(file, None) is None
    path, told = find(file)
    assert path.read_bytes() == CONTENT
    assert tmp_path / "hub" in path.parents
    assert f"{server}/timm/tiny/resolve/main/model.safetensors" in told[0]
    assert find(file, allow_download=False) == (path, [])


@pytest.mark.parametrize("where", ["torch", "hub"])
def test_a_download_that_breaks_off_leaves_no_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    # The library tries again five times, waiting ever longer.
    monkeypatch.setattr("time.sleep", lambda _: None)
    if where == "torch":
        file = url_file(server, "cut.pth")
    else:
        file = hub_file(monkeypatch, server, "timm/cut")
    message = error_of(file)
    assert "downloading failed (" in message
    assert "give its path as losses.test.weights or set losses.structure=0" in message
    assert find_local_weights(file, None) is None
    left = files_in(tmp_path / "torch") + list((tmp_path / "hub").rglob("*.safetensors"))
    assert left == []


def test_a_download_of_another_file_is_refused(server: str, tmp_path: Path) -> None:
    message = error_of(replace(url_file(server), sha256="0123abcd"))
    assert 'invalid hash value (expected "0123abcd"' in message
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("where", ["torch", "hub"])
def test_no_network_is_one_line_with_the_cure(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    nobody = "http://127.0.0.1:9"  # the discard port: nothing listens
    file = url_file(nobody)
    if where == "hub":
        file = hub_file(monkeypatch, nobody, "timm/tiny")
    message = error_of(file)
    assert message.startswith(f"{file.name} (weights of a test, 7 MB, MIT, {nobody}")
    assert "downloading failed (" in message
    assert message.endswith("; give its path as losses.test.weights or set losses.structure=0")


def test_a_missing_page_is_one_line_with_the_cure(server: str) -> None:
    message = error_of(replace(url_file(server), source=f"{server}/gone"))
    assert "404" in message
    assert "give its path as losses.test.weights" in message


def test_a_full_disk_is_told_as_such(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(ResourceError, match=r"checkpoints: no space left for whole\.pth"):
        find(url_file(server))


@pytest.mark.parametrize("hub", [False, True])
def test_offline_touches_no_network(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: bool
) -> None:
    file = hub_file(monkeypatch, server, "timm/tiny") if hub else url_file(server)
    assert "not found, and downloads are off; give its path as" in error_of(
        file, allow_download=False
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "not found, and HF_HUB_OFFLINE is set; give its path as" in error_of(file)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"hello, this is nothing", "is neither a safetensors nor a PyTorch file"),
    ],
)
def test_files_that_are_no_weights_are_named(
    server: str, tmp_path: Path, content: bytes, trouble: str
) -> None:
    bad = tmp_path / "bad.pth"
    bad.write_bytes(content)
    assert error_of(url_file(server), bad, kind=CheckpointError).startswith(f"{bad}: {trouble}")
    cached = tmp_path / "torch" / "checkpoints" / "whole.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    assert error_of(url_file(server), kind=CheckpointError).startswith(f"{cached}: {trouble}")


def test_paths_that_are_no_files_are_named(server: str, tmp_path: Path) -> None:
    file = url_file(server)
    message = error_of(file, tmp_path, kind=CheckpointError)
    assert message.startswith(f"{tmp_path}: is a folder")
    for missing in (tmp_path / "none.pth", tmp_path / "nu\0l.pth"):
        message = error_of(file, missing, kind=CheckpointError)
        assert message == f"{missing}: no such file; check the path"


def test_both_kinds_of_file_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.bin")
    torch.save(TENSORS, tmp_path / "b.bin")
    for name in ("a.bin", "b.bin"):
        network = nn.Linear(3, 2)
        path = tmp_path / name
        fill(network, read_weights(path, "a test"), path, "a test")
        assert torch.equal(network.weight, TENSORS["weight"])
        assert torch.equal(network.bias, TENSORS["bias"])


class Malicious:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_nothing_of_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"weight": Malicious()}, path)
    with pytest.raises(CheckpointError, match=r"not a test \(there is more in it than tensors\)"):
        read_weights(path, "a test")
    assert not (tmp_path / "executed").exists()
    path.write_bytes(pickle.dumps([1, 2], protocol=2))
    with pytest.raises(CheckpointError, match=r"evil\.pth: not a test"):
        read_weights(path, "a test")
    torch.save({1: torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="it holds no tensors by name"):
        read_weights(path, "a test")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_half_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"half.{suffix}"
    if suffix == "pth":
        torch.save(TENSORS, path)
    else:
        save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"not a test .*download it again") as caught:
        read_weights(path, "a test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"bias": None}, r"\(no bias\)"),
        ({"gain": torch.ones(2)}, r"\(unknown gain\)"),
        ({"weight": torch.ones(3, 2)}, r"\(weight is \[3, 2\], not \[2, 3\]\)"),
        ({"bias": "text"}, r"\(bias is str, not \[2\]\)"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, r"\(unknown a, unknown b, unknown c and 1 more\)"),
    ],
)
def test_another_network_is_refused_by_name(change: dict[str, object], trouble: str) -> None:
    tensors = {**TENSORS, **change}
    tensors = {name: value for name, value in tensors.items() if value is not None}
    network = nn.Linear(3, 2)
    before: dict[str, Tensor] = {
        name: value.clone() for name, value in network.state_dict().items()
    }
    with pytest.raises(CheckpointError, match=rf"x\.pth: not a test {trouble}"):
        fill(network, tensors, Path("x.pth"), "a test")
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
