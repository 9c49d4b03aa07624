import hashlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from _helpers.web_server import serve
from huggingface_hub import constants
from safetensors.torch import save, save_file
from torch import Tensor, nn

from cpabmm_core.errors import CheckpointError, ConfigError, CpabmmError
from cpabmm_core.files.display import show_downloads
from cpabmm_core.models.frozen.weights import (
    WeightFile,
    fill,
    find_local_weights,
    find_weights,
    read_weights,
)
from cpabmm_core.progress import Progress

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}
CONTENT = save(TENSORS)
WITHOUT = "losses.structure=0"


@pytest.fixture
def server() -> Iterator[str]:
    with serve(CONTENT) as running:
        yield running.url


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
    """Return the path of the weights and the announced lines."""
    announced: list[str] = []
    found = find_weights(
        file, path, allow_download=allow_download, announce=announced.append, without=WITHOUT
    )
    return found, announced


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


def test_given_file_takes_precedence_over_the_cached_one(server: str, tmp_path: Path) -> None:
    find(url_file(server))
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(CONTENT)
    assert find(url_file(server), mine) == (mine, [])


def test_download_is_announced_and_cached(server: str, tmp_path: Path) -> None:
    file = url_file(server)
    assert find_local_weights(file, None) is None
    path, announced = find(file)
    assert path == tmp_path / "torch" / "checkpoints" / "whole.pth"
    assert path.read_bytes() == CONTENT
    assert len(announced) == 1
    for word in ("whole.pth", "weights of a test", "7 MB", "MIT", server, str(path.parent)):
        assert word in announced[0]
    assert find(file, allow_download=False) == (path, [])
    assert find_local_weights(file, None) == path


def test_download_from_the_hub(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hub_file(monkeypatch, server, "timm/tiny")
    assert find_local_weights(file, None) is None
    path, announced = find(file)
    assert path.read_bytes() == CONTENT
    assert tmp_path / "hub" in path.parents
    assert f"{server}/timm/tiny/resolve/main/model.safetensors" in announced[0]
    assert find(file, allow_download=False) == (path, [])


def test_progress_of_a_download_is_shown(server: str) -> None:
    shown: list[str] = []

    @contextmanager
    def display(name: str) -> Iterator[Progress]:
        yield lambda done, total: shown.append(f"{name} {done} of {total}")

    with show_downloads(display):
        find(url_file(server))
    assert shown[-1] == f"whole.pth {len(CONTENT)} of {len(CONTENT)}"


@pytest.mark.parametrize("where", ["torch", "hub"])
def test_interrupted_download_leaves_no_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # huggingface_hub waits between attempts
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


@pytest.mark.parametrize("where", ["torch", "hub"])
def test_unreachable_server_is_one_line_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    nobody = "http://127.0.0.1:9"  # the discard port: nothing listens there
    file = url_file(nobody)
    if where == "hub":
        file = hub_file(monkeypatch, nobody, "timm/tiny")
    message = error_of(file)
    assert message.startswith(f"{file.name} (weights of a test, 7 MB, MIT, {nobody}")
    assert "downloading failed (" in message
    assert message.endswith("; give its path as losses.test.weights or set losses.structure=0")


def test_missing_page_is_one_line_with_the_cure(server: str) -> None:
    message = error_of(replace(url_file(server), source=f"{server}/gone"))
    assert "404" in message
    assert "give its path as losses.test.weights" in message


@pytest.mark.parametrize("hub", [False, True])
def test_offline_mode_sends_no_request(
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
        (b"hello, this is nothing", "is a text file, not a file of safetensors or PyTorch"),
    ],
)
def test_files_of_the_wrong_kind_are_named(
    server: str, tmp_path: Path, content: bytes, trouble: str
) -> None:
    bad = tmp_path / "bad.pth"
    bad.write_bytes(content)
    assert error_of(url_file(server), bad, kind=CheckpointError).startswith(f"{bad}: {trouble}")
    cached = tmp_path / "torch" / "checkpoints" / "whole.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    assert error_of(url_file(server), kind=CheckpointError).startswith(f"{cached}: {trouble}")


def test_paths_without_a_file_are_named(server: str, tmp_path: Path) -> None:
    file = url_file(server)
    message = error_of(file, tmp_path, kind=CheckpointError)
    assert message.startswith(f"{tmp_path}: is a folder")
    missing = tmp_path / "none.pth"
    message = error_of(file, missing, kind=CheckpointError)
    assert message == f"{missing}: no such file; check the path"
    impossible = tmp_path / "nu\0l.pth"
    message = error_of(file, impossible, kind=CheckpointError)
    assert message.startswith(f"{impossible}: cannot be opened (embedded null byte)")


def test_both_formats_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.bin")
    torch.save(TENSORS, tmp_path / "b.bin")
    for name in ("a.bin", "b.bin"):
        network = nn.Linear(3, 2)
        path = tmp_path / name
        fill(network, read_weights(path, "a test"), path, "a test")
        assert torch.equal(network.weight, TENSORS["weight"])
        assert torch.equal(network.bias, TENSORS["bias"])


def test_values_that_are_no_tensors_by_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(pickle.dumps([1, 2], protocol=2))
    with pytest.raises(CheckpointError, match=r"other\.pth: not a test|truncated"):
        read_weights(path, "a test")
    torch.save({1: torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="it holds no tensors by name"):
        read_weights(path, "a test")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"half.{suffix}"
    if suffix == "pth":
        torch.save(TENSORS, path)
    else:
        save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        CheckpointError, match=r"half\..*: truncated or damaged .*download it again"
    ) as caught:
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
def test_weights_of_another_network_are_refused(change: dict[str, object], trouble: str) -> None:
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


def test_names_of_a_hostile_file_do_not_fill_the_message() -> None:
    tensors = {f"{number}" + "]" * 5000 + "\x1b[31m": torch.zeros(1) for number in range(5)}
    with pytest.raises(CheckpointError) as caught:
        fill(nn.Linear(1, 1), tensors, Path("a.pth"), "a network")
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()
